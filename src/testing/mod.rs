//! Tests for designs: strategies that draw networks, generators that build large ones, and an oracle that says what
//! the rules say.
//!
//! azroute tests itself with what is here, and whoever designs networks can do the same. The feature `testing` turns it
//! on; it brings [proptest](https://docs.rs/proptest) along, so it belongs under `[dev-dependencies]`.
//!
//! # A design and a property
//!
//! A test of one design states it, asks, and compares. A test of a *family* of designs states what must hold for every
//! member and lets a strategy look for one where it does not. When it finds one, proptest takes resources away while
//! the property still fails, and what it prints is a design small enough to read.
//!
//! "No subnet of ours lets private addresses out to the Internet edge" is such a property. It is false, and in an
//! instructive way: a user route may say so.
//!
//! ```
//! use azroute::model::EffectiveNextHopType;
//! use azroute::testing::{oracle, strategies};
//! use proptest::prelude::*;
//! use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
//!
//! // The same designs on every run; leave the seed out to see new ones.
//! let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
//! let config = Config { failure_persistence: None, ..Config::with_cases(2_000) };
//! let mut runner = TestRunner::new_with_rng(config, seed);
//! let result = runner.run(&strategies::hub_and_spoke(), |document| {
//!     for vnet in &document.virtual_networks {
//!         for subnet in &vnet.subnets {
//!             let id = vnet.subnet_id(&subnet.name);
//!             let hop = oracle::next_hop(&document, &id, "10.99.0.1".parse().unwrap());
//!             prop_assert!(!matches!(hop, Some((_, EffectiveNextHopType::Internet))));
//!         }
//!     }
//!     Ok(())
//! });
//! let Err(TestError::Fail(_, smallest)) = result else { panic!("nothing found: {result:?}") };
//! // One route table with one route is left of the design that was drawn.
//! assert_eq!(smallest.route_tables.len(), 1);
//! assert_eq!(smallest.route_tables[0].routes.len(), 1);
//! ```
//!
//! # The parts
//!
//! - [`strategies`]: shapes ([`hub_and_spoke`](strategies::hub_and_spoke), [`multi_region`](strategies::multi_region),
//!   the two ways of a provider, …), what can be added to any of them ([`dressed`](strategies::dressed)), legal
//!   [`changes`](strategies::changes) for what-ifs, and [`probe_addresses`](strategies::probe_addresses): the
//!   destinations at which an answer may change. Asking at those is nearly as good as asking at all 2³² addresses,
//!   because a table's answer is constant between the edges of its prefixes.
//! - Disturbances of a network that stands: [`failures`](strategies::failures) and [`flows`](strategies::flows) through it.
//! - [`laws`]: what holds of every well-made design, ready to be called, and a page that tests a design with them in twenty
//!   lines.
//! - [`generate`]: networks of a stated size from a seed, with the same bytes on every machine. They hold no corner
//!   cases; they are for time, memory and scale.
//! - [`oracle`]: effective routes, next hop and walk of a document by linear scan, written from the rules and from
//!   nothing else. Slow, and meant to be: a difference between it and the library is a bug in one of them, and the rule
//!   ids in its comments say which to look up.
//! - BGP has its own of both: strategies whose names begin with `bgp_` (such as
//!   [`bgp_settled`](strategies::bgp_settled), designs with exactly one stable state, and
//!   [`bgp_changes`](strategies::bgp_changes)), and [`oracle::bgp`], which passes messages one by one.
//! - `fuzz` (with the feature `import`): the bodies of azroute's own fuzz targets.
//!
//! # An own design
//!
//! A design that is already written down can be a strategy as well: [`Just`](proptest::strategy::Just) it, then let
//! [`with_route_tables`](strategies::with_route_tables) or [`changes`](strategies::changes) disturb it.
//!
//! ```
//! use azroute::model::Topology;
//! use azroute::testing::{oracle, strategies};
//! use proptest::prelude::*;
//!
//! let topology = Topology::builder()
//!     .virtual_network("hub", &["10.0.0.0/16"])
//!     .subnet("hub", "web", "10.0.1.0/24")
//!     .virtual_network("spoke", &["10.1.0.0/16"])
//!     .subnet("spoke", "app", "10.1.1.0/24")
//!     .peer("hub", "spoke")
//!     .build()?;
//! let design = topology.document().clone();
//!
//! let web = "hub/subnets/web".into();
//! proptest!(ProptestConfig::with_cases(50), |(changes in strategies::changes(&design))| {
//!     let mut changed = design.clone();
//!     for change in &changes {
//!         changed.apply(change).unwrap();
//!     }
//!     // Whatever was changed, every address has an answer while the subnet stands.
//!     if let Some(rows) = oracle::effective_rows(&changed, &web) {
//!         prop_assert!(!rows.is_empty());
//!     }
//! });
//! # Ok::<(), azroute::model::BuildError>(())
//! ```

#[cfg(feature = "import")]
pub mod fuzz;
pub mod generate;
pub mod laws;
pub mod oracle;
pub mod strategies;
