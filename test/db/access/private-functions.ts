// Of schema push, without it in their names. Those that are not here yet stand in function-roles.ts.
const NAMES = `
  as_base64url encode_spaces refuse_constants has_usable_host is_category refuse_category rule_stopped unread_count
`;

/** Functions that none of the API roles may execute. */
export const PRIVATE_FUNCTIONS: Record<string, string[]> = Object.fromEntries(
  NAMES.trim()
    .split(/\s+/)
    .map((name) => [`push.${name}`, []]),
);
