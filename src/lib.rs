//! For a hybrid Azure network: *a packet leaves here for there; what is its next hop, and which way does it go?*
//!
//! azroute computes offline what Azure would do with virtual networks, user-defined routes, gateways, ExpressRoute and
//! VPN: from what was declared (an export, a template, a document, code) to next hop, path and outcome, each with the
//! rule behind it.
//!
//! ```
//! use azroute::{Network, model::Topology};
//!
//! let topology = Topology::builder()
//!     .virtual_network("hub", &["10.0.0.0/16"])
//!     .subnet("hub", "fw", "10.0.1.0/24")
//!     .appliance("fw", "hub/subnets/fw", "10.0.1.4")
//!     .virtual_network("spoke", &["10.1.0.0/16"])
//!     .subnet("spoke", "web", "10.1.0.0/24")
//!     .peer("hub", "spoke")
//!     .route("rt", "default", "0.0.0.0/0", "VirtualAppliance", &["10.0.1.4"])
//!     .bind("spoke/subnets/web", "rt")
//!     .build()?;
//! let network = Network::build(&topology)?;
//!
//! let answer = network.resolve("spoke/subnets/web", "8.8.8.8".parse()?)?;
//! assert!(answer.path().passes(&"fw".into()));
//! println!("{answer}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Stages
//!
//! ```text
//! import ─► model ─► control_plane ─► selection ─► fib ─► resolve ─► analysis
//!             │           ▲
//!             └──► bgp ───┘
//! ```
//!
//! | Stage | Takes | Gives |
//! |---|---|---|
//! | [`import`] (feature `import`, default) | Azure's JSON | a [`model::Document`] and a report |
//! | [`model`] | what a person or importer states | a checked [`model::Topology`] |
//! | [`bgp`] | speakers, sessions, policies | their RIBs, each route with the step that decided |
//! | `control_plane` | a topology | the routes that gateways offer, what places outside Azure know |
//! | [`selection`] | candidates of a subnet | effective routes, each with its state and the rule that decided it |
//! | [`fib`] | active routes | longest-prefix match |
//! | [`resolve`] | tables of all places | next hop, path, disposition |
//! | [`analysis`] | a network | findings; comparison with what Azure printed |
//! | [`checks`] | a [`Network`], or two | what holds of all addresses; differences; failures survived |
//!
//! A stage imports only stages to its left. [`rule`] names the rules that all of them cite. [`Network`] runs them.
//!
//! # Guarantees
//!
//! - No I/O, no clock, no threads, no global state, no randomness: the same input gives the same bytes.
//! - Everything built is `Send + Sync` and never changes; a what-if ([`Network::apply`]) is another network.
//! - A drop, a loop, an unsupported next hop is an answer ([`resolve::Disposition`]); `Err` is for a question that
//!   cannot be asked, and for input that cannot be right.
//! - Every answer names the rules that decided it and how well founded they are ([`rule::Confidence`]).

pub mod analysis;
pub mod bgp;
pub mod checks;
pub(crate) mod control_plane;
pub mod fib;
#[cfg(feature = "import")]
pub mod import;
pub mod model;
mod network;
pub(crate) mod prefix_table;
pub mod resolve;
pub mod rule;
pub mod selection;
#[cfg(feature = "testing")]
pub mod testing;

pub use network::{Network, NetworkError, PositionSet};

/// The README's programs, compiled and run with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
