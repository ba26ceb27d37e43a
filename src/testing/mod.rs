//! Strategies, generators and the oracle.

pub mod oracle;
