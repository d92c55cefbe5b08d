//! Attacks on a catalog's metadata and what a host must make of them, as data: three states of one catalog each.
//!
//! - `before` is what the host has seen and taken, `served` is what it meets now, `after` is the next honest
//!   publication, which must be taken again whatever happened.
//! - All play at [`NOW`] on the catalog of [`honest`], and trust its first root.
//! - [`disk_files`](Scenario::disk_files) is what stands in `fixtures/NAME/`: metadata only, `before/` only where it is
//!   not that of `fixtures/honest/`. `cargo run -p test-repos --example write-fixtures` writes them.
//!
//! What depends on the wire (bodies without an end, redirects …) is the [`fault_server`](crate::fault_server)'s part.

mod consistency;
mod json;
mod names;
mod roots;
mod signatures;
mod versions;

use std::collections::BTreeMap;

use sysext_formats::name::url_component;

use crate::image::ImageSpec;
use crate::simulator::Simulator;

/// When all scenarios play.
pub const NOW: &str = "2026-11-23T00:00:00Z";

/// An image of the honest catalog, in the index of `k3s`.
pub const IMAGE: &str = "k3s_1.31.5.k3s1_noarch.raw";

/// Files by path.
pub type Files = BTreeMap<String, Vec<u8>>;

/// One attack or fault.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The name of its folder.
    pub name: &'static str,
    /// What it shows, in one line.
    pub story: &'static str,
    /// What the host has taken already.
    pub before: Files,
    /// What the host meets.
    pub served: Files,
    /// What an honest publisher serves next.
    pub after: Files,
    /// What must come of it.
    pub expected: Expected,
}

/// What a host must make of what is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// All is taken, and [`IMAGE`] is found.
    Accepted,
    /// The refresh of the top roles is refused.
    Refused {
        /// The role whose document is refused; the host keeps the one it had.
        role: &'static str,
        /// A part of the message.
        says: &'static str,
    },
    /// The top roles are taken, the role that must speak for [`IMAGE`] is refused.
    IndexRefused {
        /// A part of the message.
        says: &'static str,
    },
    /// All is taken, and no role speaks for this file.
    Absent {
        /// The file.
        file: &'static str,
    },
    /// All is taken, and the index of `k3s` has these targets that are no images of ours, whatever it says.
    Ignored {
        /// Their paths.
        files: &'static [&'static str],
    },
}

/// Every scenario, sorted by name.
#[must_use]
pub fn all() -> Vec<Scenario> {
    let mut scenarios = vec![
        Story::new("honest", "An honest catalog, already seen.").ends(Expected::Accepted),
        Story::new("honest-update", "An honest catalog with a newer image.")
            .serves(|catalog| {
                catalog.add_image("k3s", &ImageSpec::new("k3s").version("1.32.0+k3s1"));
                catalog.publish();
            })
            .ends(Expected::Accepted),
    ];
    scenarios.extend(signatures::all());
    scenarios.extend(roots::all());
    scenarios.extend(versions::all());
    scenarios.extend(consistency::all());
    scenarios.extend(json::all());
    scenarios.extend(names::all());
    scenarios.sort_by_key(|scenario| scenario.name);
    scenarios
}

/// The catalog that all scenarios start from: two extensions with keys of their own, every document but the root in its
/// third version or later, so that there is something to roll back to.
#[must_use]
pub fn honest() -> Simulator {
    let mut catalog = Simulator::new(NOW);
    for extension in ["k3s", "htop"] {
        catalog.add_extension(extension);
    }
    catalog.publish();
    catalog.add_image("k3s", &ImageSpec::new("k3s").version("1.31.4+k3s1"));
    catalog.add_image("htop", &ImageSpec::new("htop").version("3.4.1"));
    catalog.touch("targets");
    catalog.publish();
    catalog.add_image("k3s", &ImageSpec::new("k3s").version("1.31.5+k3s1"));
    catalog.touch("htop");
    catalog.publish();
    catalog.prune();
    catalog
}

impl Scenario {
    /// The files of its folder, README.md included. Names are encoded, so that each is one component.
    #[must_use]
    pub fn disk_files(&self) -> Files {
        let mut files = Files::new();
        let outcome = match self.expected {
            Expected::Accepted => "taken".to_owned(),
            Expected::Refused { role, says } => format!("{role} is refused: \"{says}\""),
            Expected::IndexRefused { says } => format!("the index of k3s is refused: \"{says}\""),
            Expected::Absent { file } => format!("{file} does not exist"),
            Expected::Ignored { files } => format!("k3s has ignored files {files:?}"),
        };
        let readme = format!("{} Expected at {NOW}: {outcome}.\n", self.story);
        files.insert("README.md".to_owned(), readme.into_bytes());
        add_metadata(&mut files, "", &self.served);
        if self.before != honest().files() {
            add_metadata(&mut files, "before/", &self.before);
        }
        files
    }
}

fn add_metadata(to: &mut Files, folder: &str, from: &Files) {
    for (path, bytes) in from {
        if let Some(name) = path.strip_prefix("metadata/") {
            let path = format!("{folder}metadata/{}", url_component(name));
            to.insert(path, bytes.clone());
        }
    }
}

/// A scenario in the making: one catalog that goes through its states.
struct Story {
    name: &'static str,
    story: &'static str,
    catalog: Simulator,
    before: Files,
    after: Option<Files>,
}

impl Story {
    fn new(name: &'static str, story: &'static str) -> Self {
        let catalog = honest();
        Self {
            name,
            story,
            before: catalog.files(),
            catalog,
            after: None,
        }
    }

    /// What the host has seen already is not the honest catalog.
    fn has_seen(mut self, change: impl FnOnce(&mut Simulator)) -> Self {
        change(&mut self.catalog);
        self.catalog.prune();
        self.before = self.catalog.files();
        self
    }

    /// What is served to the host.
    fn serves(mut self, change: impl FnOnce(&mut Simulator)) -> Self {
        change(&mut self.catalog);
        self
    }

    /// The publisher goes on from what was served, not from the honest catalog: where a new root was taken.
    fn mended_by(mut self, change: impl FnOnce(&mut Simulator)) -> Self {
        let mut mended = self.catalog.clone();
        change(&mut mended);
        self.after = Some(mended.files());
        self
    }

    fn ends(mut self, expected: Expected) -> Scenario {
        self.catalog.prune();
        let served = self.catalog.files();
        // What was refused never was; what was taken is what the publisher goes on from.
        let is_refused = matches!(
            expected,
            Expected::Refused { .. } | Expected::IndexRefused { .. }
        );
        let after = self.after.unwrap_or_else(|| {
            let mut catalog = if is_refused { honest() } else { self.catalog };
            go_on(&mut catalog);
            catalog.files()
        });
        Scenario {
            name: self.name,
            story: self.story,
            before: self.before,
            served,
            after,
            expected,
        }
    }
}

/// The honest publisher, some publications later.
fn go_on(catalog: &mut Simulator) {
    for role in ["targets", "k3s", "htop", "snapshot", "timestamp"] {
        let later = catalog.version(role) + 10;
        catalog.set_version(role, later);
    }
    catalog.publish();
}
