//! Readers for what Azure prints.
