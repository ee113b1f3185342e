/** The version of this server, as it says it: the package's, which a test compares. */
export const version = '0.1.0'
