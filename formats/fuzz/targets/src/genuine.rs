//! The history of a simulated catalog.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use test_repos::image::ImageSpec;
use test_repos::scenario;

/// What a catalog published.
pub(crate) struct Genuine {
    /// Every document, as published.
    pub(crate) documents: Vec<Vec<u8>>,
    /// The first root.
    pub(crate) root: Vec<u8>,
}

impl Genuine {
    /// The honest catalog of the scenarios, some publications longer.
    pub(crate) fn get() -> &'static Self {
        static GENUINE: OnceLock<Genuine> = OnceLock::new();
        GENUINE.get_or_init(|| {
            let mut catalog = scenario::honest();
            let mut documents = BTreeSet::new();
            for version in ["1.32.0", "1.32.1"] {
                documents.extend(metadata(catalog.files()));
                catalog.add_image("k3s", &ImageSpec::new("k3s").version(version));
                catalog.touch("root");
                catalog.publish();
            }
            documents.extend(metadata(catalog.files()));
            Self {
                root: catalog.file("metadata/1.root.json").to_vec(),
                documents: documents.into_iter().collect(),
            }
        })
    }
}

fn metadata(files: scenario::Files) -> impl Iterator<Item = Vec<u8>> {
    let files = files.into_iter();
    files
        .filter(|(path, _)| path.starts_with("metadata/"))
        .map(|(_, bytes)| bytes)
}
