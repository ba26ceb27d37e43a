//! Routing policy, compiled and evaluated (RFC 9067).
