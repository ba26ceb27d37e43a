//! Readers for what Azure prints.
//!
//! An [`Importer`] takes any number of named inputs — raw ARM, `az … -o json`, REST and Resource Graph answers, ARM
//! templates, PowerShell, service tags, azroute documents — and merges them into one [`Document`] or [`Topology`].
//! [`effective_routes`] reads the tables that Azure computed, to compare with. `mrt` (a feature) reads BGP tables and
//! updates of anybody's routers.
//!
//! Rules that hold for every format:
//! - ids, types, member names and words compare without case; missing, `null`, `[]` and `""` all mean *not set*;
//! - a resource seen several times is one resource: its own body counts before the copy in its parent, and of two
//!   bodies of its own the later one counts, with a warning where they contradict each other;
//! - azroute documents come after everything else, in whatever order the inputs were added: see [`Importer::add`] for
//!   those given as text, [`Importer::add_document`] for values;
//! - a reference to a resource in no input stays, and is listed in [`ImportReport::unresolved`];
//! - nothing is lost silently: what cannot be taken as it stands is a [`Warning`], types that are not modelled are
//!   counted, and an input that cannot be read is an [`ImportError`] that leaves the importer as it was.
//!
//! Any bytes give a value or an error. This module imports [`model`](crate::model) only.

pub mod azure;
pub mod effective_routes;
mod error;
mod format;
mod json;
#[cfg(feature = "mrt")]
pub mod mrt;
mod offers;
mod overlay;
mod raw;
mod read;
mod report;
mod service_tags;
mod template;

use std::collections::{BTreeMap, HashMap};
use std::io::Read;

pub use error::{ImportError, InvalidTopology, Refusal};
pub use format::Format;
pub use offers::{LeftOutReason, LeftOutRoute, OfferedRoutes, RoutesOf, circuit_offers, gateway_offers};
pub use report::{ImportReport, LeftOut, Warning, WarningKind};

use crate::model::{Document, ResourceId, ServiceTag, Topology, UnresolvedReference};
use format::Content;
use overlay::{Findings, Sheet};
use raw::{Batch, Store};

/// What an input may cost before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportLimits {
    /// Bytes of one input; 256 MiB.
    pub max_bytes: u64,
    /// Nesting of lists and objects; 120. More than 127 counts as 127.
    pub max_depth: usize,
    /// Values (numbers, texts, lists, objects, …) in one input; 32 million.
    pub max_values: usize,
    /// Resources of all inputs, children included; 2 million.
    pub max_resources: usize,
}

impl Default for ImportLimits {
    fn default() -> Self {
        Self { max_bytes: 256 << 20, max_depth: 120, max_values: 32_000_000, max_resources: 2_000_000 }
    }
}

/// What one input turned out to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The format.
    pub format: Format,
    /// How many resources of each modelled type it holds, children apart, by name.
    pub counts: BTreeMap<String, usize>,
    /// How many resources of types that are not modelled it holds, by lower-case type.
    pub ignored: BTreeMap<String, usize>,
}

/// Collects inputs and merges them. See the [module](self) for the rules.
///
/// ```
/// use azroute::import::Importer;
/// let mut importer = Importer::new();
/// importer.add("vnet.json", br#"[{
///     "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/hub",
///     "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "resourceGroup": "g"
/// }]"#)?;
/// let (topology, report) = importer.finish()?;
/// assert_eq!(report.counts["virtualNetworks"], 1);
/// assert_eq!(topology.document().virtual_networks[0].id.name(), "hub");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Importer {
    limits: ImportLimits,
    inputs: Vec<String>,
    store: Store,
    tags: Vec<ServiceTag>,
    tag_index: HashMap<String, usize>,
    documents: Vec<(String, Document)>,
    sheets: Vec<Sheet>,
    routes: Vec<offers::Sheet>,
    warnings: Vec<Warning>,
}

impl Importer {
    /// An importer with the default limits and no inputs.
    pub fn new() -> Self {
        Self::default()
    }

    /// An importer with other limits.
    pub fn with_limits(limits: ImportLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Adds one input. `name` is what messages call it, a file's path for instance.
    ///
    /// An azroute document (an object with `schema_version`) is laid over all other inputs, those added later included,
    /// and over other documents in their order: member by member, lists of named objects by name, and anything else
    /// replaces. `{"id": "…", "tenant": "birch"}` gives an exported network its tenant and leaves the rest. A resource
    /// that no other input holds must be stated in full: what lacks something is left out, and what the model could hold
    /// but is most likely a part (a circuit of routers only) stays, both with a [`WarningKind::Missing`].
    ///
    /// # Errors
    /// The input cannot be read or holds no resources; nothing of it is kept then.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<Loaded, ImportError> {
        let text = json::text(name, bytes, &self.limits)?;
        let value = json::parse(name, &text, &self.limits)?;
        let recognised = format::recognise(name, value)?;
        let format = recognised.format;
        let room = self.limits.max_resources.saturating_sub(self.len());
        let full = || {
            let reason = format!("more than {} resources in all inputs together", self.limits.max_resources);
            ImportError::new(ImportError::TooManyResources, name, "$", reason)
        };
        match recognised.content {
            Content::Resources(items) => {
                let mut batch = Batch::new(name, self.inputs.len(), room);
                for item in items {
                    batch.item(item, format == Format::Template).map_err(|_: raw::Full| full())?;
                }
                let loaded = Loaded {
                    format,
                    counts: labels(batch.raws.iter().filter(|raw| raw.rank > raw::Rank::Embedded)),
                    ignored: batch.ignored.clone(),
                };
                self.inputs.push(name.to_owned());
                self.warnings.extend(recognised.warnings);
                self.warnings.append(&mut batch.warnings);
                self.store.merge(batch, &mut self.warnings);
                Ok(loaded)
            }
            Content::ServiceTags(tags) => {
                if tags.len() > room {
                    return Err(full());
                }
                let counts = BTreeMap::from([("serviceTags".to_owned(), tags.len())]);
                self.inputs.push(name.to_owned());
                self.warnings.extend(recognised.warnings);
                for tag in tags {
                    self.service_tag(name, tag);
                }
                Ok(Loaded { format, counts, ignored: BTreeMap::new() })
            }
            Content::Document => {
                let sheet = Sheet::read(name, &text)?;
                if sheet.len() > room {
                    return Err(full());
                }
                let counts = sheet.counts();
                self.inputs.push(name.to_owned());
                self.sheets.push(sheet);
                Ok(Loaded { format, counts, ignored: BTreeMap::new() })
            }
        }
    }

    /// Adds one input from a reader, of which no more is read than the limits allow.
    ///
    /// # Errors
    /// As [`add`](Self::add), and where the reader fails.
    pub fn add_reader(&mut self, name: &str, reader: impl Read) -> Result<Loaded, ImportError> {
        let mut bytes = Vec::new();
        reader
            .take(self.limits.max_bytes.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| ImportError::new(ImportError::Read, name, "$", error.to_string()))?;
        self.add(name, &bytes)
    }

    /// Adds a table that Azure printed, as what `site` advertises: the table of a circuit's link, or the routes that a
    /// gateway has learned, in any of the shapes that [`effective_routes::parse`] reads. `of` says whose table it is; a
    /// site that is in no input is made, with nothing but these advertisements.
    ///
    /// Rows that no site offered (virtual networks' spaces, what Azure passes on) are left out and listed in
    /// [`ImportReport::left_out`]; see [`circuit_offers`] and [`gateway_offers`]. What a document declares for the same
    /// prefix over the same link or connection counts.
    ///
    /// ```
    /// use azroute::import::{Importer, RoutesOf};
    /// use azroute::model::{LinkRole, PeeringType};
    /// let mut importer = Importer::new();
    /// let of = RoutesOf::CircuitLink {
    ///     circuit: "er-1".into(),
    ///     peering: PeeringType::AzurePrivatePeering,
    ///     link: LinkRole::Primary,
    /// };
    /// importer.add_routes("primary.json", br#"{"value": [
    ///     {"network": "192.0.2.0/24", "nextHop": "172.16.0.1", "locPrf": "", "weight": 0, "path": "64500 64501"},
    ///     {"network": "10.0.0.0/16", "nextHop": "10.0.255.4", "locPrf": "", "weight": 0, "path": "65515"}
    /// ]}"#, of, "datacentre")?;
    /// let (document, report) = importer.into_document();
    /// assert_eq!(document.on_premises_sites[0].advertisements[0].prefixes.len(), 1);
    /// assert_eq!(report.left_out.len(), 1);
    /// # Ok::<(), azroute::import::ImportError>(())
    /// ```
    ///
    /// # Errors
    /// As [`effective_routes::parse`], and where the table is of another kind than `of` says; nothing is kept then.
    pub fn add_routes(
        &mut self,
        name: &str,
        bytes: &[u8],
        of: RoutesOf,
        site: impl Into<ResourceId>,
    ) -> Result<Loaded, ImportError> {
        let observed = effective_routes::parse_with_limits(name, bytes, &self.limits)?;
        let of_circuit = matches!(of, RoutesOf::CircuitLink { .. });
        let (mut circuit, mut gateway) = (Vec::new(), Vec::new());
        for section in observed.sections {
            match section.table {
                effective_routes::ObservedTable::Circuit(rows) if of_circuit => circuit.extend(rows),
                effective_routes::ObservedTable::Gateway(rows) if !of_circuit => gateway.extend(rows),
                effective_routes::ObservedTable::Empty => {}
                _ => {
                    let wanted = if of_circuit {
                        "the route table of a circuit"
                    } else {
                        "routes learned by a gateway"
                    };
                    let reason =
                        format!("`{}` was to have {wanted}, and this is no such table", of.resource());
                    return Err(ImportError::new(ImportError::Unrecognised, name, "$", reason));
                }
            }
        }
        let rows = if of_circuit { offers::Rows::Circuit(circuit) } else { offers::Rows::Gateway(gateway) };
        let counts = BTreeMap::from([("routes".to_owned(), rows.len())]);
        let of_resource = |warning: Warning| Warning { resource: of.resource().clone(), ..warning };
        self.warnings.extend(observed.warnings.into_iter().map(of_resource));
        self.inputs.push(name.to_owned());
        self.routes.push(offers::Sheet { input: name.to_owned(), of, site: site.into(), rows });
        Ok(Loaded { format: Format::RouteTable, counts, ignored: BTreeMap::new() })
    }

    /// Adds a document: what Azure does not know (tenants, sites, appliances, knobs), or what was imported earlier.
    ///
    /// Where it and an export have one resource, the document's replaces it *whole*, with a warning if they differ: a
    /// value says everything, its defaults included. To say less, [`add`](Self::add) the document as text.
    pub fn add_document(&mut self, name: &str, document: Document) -> Loaded {
        let counts = document.counts().into_iter().map(|(kind, n)| (kind.to_owned(), n)).collect();
        self.inputs.push(name.to_owned());
        self.documents.push((name.to_owned(), document));
        Loaded { format: Format::Document, counts, ignored: BTreeMap::new() }
    }

    /// Merges everything into a document, which is not checked.
    pub fn into_document(self) -> (Document, ImportReport) {
        let (document, merged) = self.merge();
        let topology = Topology::new(document.clone()).ok();
        (document, merged.report(topology.as_ref()))
    }

    /// Merges everything and checks it.
    ///
    /// # Errors
    /// What [`Topology::new`] refuses; the report comes with the error.
    pub fn finish(self) -> Result<(Topology, ImportReport), InvalidTopology> {
        let (document, merged) = self.merge();
        match Topology::new(document) {
            Ok(topology) => {
                let report = merged.report(Some(&topology));
                Ok((topology, report))
            }
            Err(error) => Err(InvalidTopology::new(error, merged.report(None))),
        }
    }

    fn merge(self) -> (Document, Merged) {
        // A child that was only repeated inside another resource is no part of what was exported.
        let orphan = |raw: &raw::Raw| {
            let parent = raw.parent.as_ref();
            raw.rank == raw::Rank::Embedded && parent.is_some_and(|id| self.store.get(id).is_none())
        };
        let whole = |raw: &&raw::Raw| raw.rank > raw::Rank::Hollow && !orphan(raw);
        let mut counts = labels(self.store.raws.iter().filter(whole));
        let translated = azure::translate(&self.store, &self.inputs);
        let mut document = translated.document;
        let mut warnings = self.warnings;
        warnings.extend(translated.warnings);
        if !self.tags.is_empty() {
            counts.insert("serviceTags".to_owned(), self.tags.len());
        }
        document.service_tags = self.tags;
        let mut findings = Findings { counts: &mut counts, warnings: &mut warnings };
        for (name, other) in self.documents {
            overlay::replace(&mut document, other, &name, &mut findings);
        }
        overlay::lay(&mut document, self.sheets, &mut findings);
        for sheet in self.routes.iter().filter(|sheet| !sheet.is_known(&document)) {
            warnings.push(Warning {
                kind: WarningKind::Missing,
                input: sheet.input.clone(),
                resource: sheet.of.resource().clone(),
                field: String::new(),
                reason: "is in no input; its table was read without what it would tell".to_owned(),
            });
        }
        let left = offers::lay(&self.routes, &mut document);
        let left_out = self.routes.iter().zip(left).flat_map(|(sheet, routes)| {
            let (input, resource) = (&sheet.input, sheet.of.resource());
            let row = |route| LeftOut { input: input.clone(), resource: resource.clone(), route };
            routes.into_iter().map(row).collect::<Vec<_>>()
        });
        let left_out = left_out.collect();
        let merged = Merged {
            inputs: self.inputs,
            counts,
            warnings,
            left_out,
            store: self.store,
            references: translated.references,
        };
        (document, merged)
    }

    fn len(&self) -> usize {
        let documents = self.documents.iter().map(|(_, d)| d.len()).sum::<usize>();
        let sheets = self.sheets.iter().map(Sheet::len).sum::<usize>();
        self.store.len() + self.tags.len() + documents + sheets
    }

    fn service_tag(&mut self, input: &str, tag: ServiceTag) {
        let key = tag.name.to_ascii_lowercase();
        match self.tag_index.get(&key).and_then(|at| self.tags.get_mut(*at)) {
            Some(old) => {
                if old.address_prefixes != tag.address_prefixes {
                    self.warnings.push(Warning {
                        kind: WarningKind::Conflict,
                        input: input.to_owned(),
                        resource: ResourceId::new(&*tag.name),
                        field: "addressPrefixes".to_owned(),
                        reason: "differs from what an earlier input says; the later one counts".to_owned(),
                    });
                }
                *old = tag;
            }
            None => {
                self.tag_index.insert(key, self.tags.len());
                self.tags.push(tag);
            }
        }
    }
}

/// What is left beside the document when everything is merged.
struct Merged {
    inputs: Vec<String>,
    counts: BTreeMap<String, usize>,
    warnings: Vec<Warning>,
    left_out: Vec<LeftOut>,
    store: Store,
    references: Vec<UnresolvedReference>,
}

impl Merged {
    /// The report. Where the document is sound, its index also knows what azroute documents brought.
    fn report(self, topology: Option<&Topology>) -> ImportReport {
        let is_missing = |r: &UnresolvedReference| {
            let there = self.store.get(&r.to).is_some_and(|raw| raw.rank > raw::Rank::Hollow);
            !r.to.is_empty()
                && !there
                && !self.store.known.contains(&r.to)
                && topology.is_none_or(|t| t.entity(&r.to).is_none())
        };
        let own = self.references.iter();
        let checked = topology.map(Topology::unresolved_references).unwrap_or_default();
        let mut unresolved: Vec<UnresolvedReference> =
            own.chain(checked).filter(|r| is_missing(r)).cloned().collect();
        unresolved.sort();
        unresolved.dedup();
        ImportReport {
            inputs: self.inputs,
            counts: self.counts,
            ignored: self.store.ignored,
            warnings: self.warnings,
            left_out: self.left_out,
            unresolved,
        }
    }
}

fn labels<'a>(raws: impl IntoIterator<Item = &'a raw::Raw>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let mut seen = std::collections::HashSet::new();
    for raw in raws {
        if seen.insert(&raw.id) {
            *counts.entry(raw.label().to_owned()).or_default() += 1;
        }
    }
    counts
}
