//! azroute
#[cfg(feature = "import")]
pub mod import;
pub mod model;
pub mod resolve;
pub mod rule;
#[cfg(feature = "testing")]
pub mod testing;
