//! The decision process (RFC 4271 section 9.1.2).
