//! Versions that did not merge go on their extension's skip list.

use sysext_formats::name::ExtensionName;
use sysext_formats::version::Version;

use super::Site;
use crate::config::edit::{self, EditError};
use crate::history::Quarantined;

/// A version that did not merge, and may be tried again by the next run.
#[derive(Debug)]
pub struct NotSkipped {
    /// The extension.
    pub name: ExtensionName,
    /// The version.
    pub version: Version,
    /// Why its skip list could not be written.
    pub error: EditError,
}

/// Puts all of them on skip lists, and answers with those that could not be. The links hold by now, so a failure is
/// told beside them, not in their place.
pub(super) fn skip_all(site: &Site<'_>, quarantined: &[Quarantined]) -> Vec<NotSkipped> {
    let skip = |quarantined: &Quarantined| {
        let version = quarantined.version.clone()?;
        // Not configured: it is on its way out, and nothing chooses a version of it.
        let extension = site.extensions.get(&quarantined.name)?;
        let error = edit::skip(site.root, extension, &version, &quarantined.reason).err()?;
        Some(NotSkipped {
            name: quarantined.name.clone(),
            version,
            error,
        })
    };
    quarantined.iter().filter_map(skip).collect()
}
