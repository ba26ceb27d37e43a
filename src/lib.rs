//! azroute
#[cfg(feature = "import")]
pub mod import;
pub mod model;
#[cfg(feature = "testing")]
pub mod testing;
