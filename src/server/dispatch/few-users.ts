/**
 * Users who together decide nothing about the pace at which others are served: any person can have some accounts, and devices
 * that answer slowly or refuse.
 */
export const FEW_USERS = 5;
