/** The release that this code is of: that of the package, and `push.version()` of its schema. */
export const VERSION = '0.1.0';
