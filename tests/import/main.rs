//! What is read: exports, documents and their schema, dumps of routes.

mod documents;
#[cfg(feature = "import")]
mod exports;
#[cfg(feature = "import")]
mod hubs;
#[cfg(feature = "mrt")]
mod mrt;
#[cfg(feature = "import")]
mod real;
#[cfg(all(feature = "schema", feature = "testing"))]
mod schema;
#[cfg(feature = "import")]
mod table_rows;
#[cfg(feature = "import")]
mod tables;
