//! Strategies, generators and the oracle.
