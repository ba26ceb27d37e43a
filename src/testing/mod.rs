//! Strategies, generators and the oracle.

pub mod oracle;
pub mod strategies;
