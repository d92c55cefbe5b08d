//! The first root of a catalog that is new to this host: found by its fingerprint (format, "The descriptor").

use sysext_formats::catalog::Descriptor;
use sysext_formats::digest::Sha256Digest;
use sysext_formats::limits::Limits;
use sysext_formats::role::MetadataVersion;
use sysext_formats::verify::verify_first_root;
use sysext_formats::workflow::{Remote as _, RemoteFile};

use super::{CatalogRemote, RefreshProblem};
use crate::metadata_store::{MetadataStore, TrustStore};

/// Begins to trust the catalog by `bytes`, which have the pinned digest.
pub(super) fn begin(
    trust: &TrustStore,
    descriptor: &Descriptor,
    bytes: &[u8],
) -> Result<MetadataStore, RefreshProblem> {
    let root = verify_first_root(bytes).map_err(|error| RefreshProblem::Trust(error.into()))?;
    trust
        .begin(&descriptor.id, root.version, bytes)
        .map_err(RefreshProblem::Store)
}

/// Fetches the root with the pinned digest: the version that the descriptor names, else any earlier one, so that a
/// fingerprint that was printed years ago still works.
pub(super) fn fetch(
    remote: &mut CatalogRemote,
    descriptor: &Descriptor,
    pin: Sha256Digest,
) -> Result<Vec<u8>, RefreshProblem> {
    let limits = Limits::default();
    let named = descriptor.root_version;
    let mut found = "none".to_owned();
    let earlier = std::iter::successors(Some(MetadataVersion::ONE), |version| version.next());
    let earlier = earlier.take_while(|version| *version < named);
    let most = usize::try_from(limits.new_roots).unwrap_or(usize::MAX);
    for version in std::iter::once(named).chain(earlier.take(most)) {
        let file = RemoteFile::Root(version);
        let bytes = remote.fetch(&file, limits.root);
        let bytes = bytes.map_err(|source| RefreshProblem::Fetch {
            file: file.url_name(),
            source,
        })?;
        let Some(bytes) = bytes else {
            if version == named {
                return Err(RefreshProblem::Missing(file.url_name()));
            }
            continue;
        };
        let digest = Sha256Digest::of(&bytes);
        if digest == pin {
            return Ok(bytes);
        }
        if version == named {
            found = digest.to_string();
        }
    }
    Err(RefreshProblem::Fingerprint {
        expected: pin,
        version: named.get(),
        found,
    })
}
