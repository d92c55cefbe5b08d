//! Image files that have left the catalog: which need not be taken, and which can not be.

use std::path::Path;

use sysext_formats::name::FileName;

use super::Intake;
use crate::arrival::Identity;
use crate::draft::DraftError;
use crate::failure::Failure;
use crate::reconcile::Attempt;

impl Intake<'_> {
    /// Whether exactly this file was published, and has left with time: what looks through a folder again and again does not
    /// put it back.
    ///
    /// # Errors
    /// When it can not be read, or an index can not be verified.
    pub fn is_pruned(
        &mut self,
        path: &Path,
        attempt: &mut Attempt<'_, '_>,
    ) -> Result<bool, Failure> {
        self.pruned.remove(path);
        let identity = Identity::at(path)?;
        // An index that is begun again has lost them all.
        if self.request.anew || !attempt.gone.has_length(identity.length)? {
            return Ok(false);
        }
        let digest = self.digest(path, identity)?;
        let names = attempt.gone.names_of(digest)?;
        for extension in names.iter().filter_map(FileName::extension) {
            if !attempt.is_delegated(&extension)? {
                return Ok(false);
            }
            self.load(&extension, attempt)?;
            let index = attempt.editor.catalog().indexes.get(&extension);
            let mut targets = index.iter().flat_map(|index| index.targets.values());
            if targets.any(|target| target.hashes.sha256() == Some(digest)) {
                return Ok(false);
            }
        }
        if !names.is_empty() {
            self.pruned.insert(path.to_owned());
        }
        Ok(!names.is_empty())
    }

    /// Says how many were left out.
    pub fn tell_of_pruned(&self) {
        let count = self.pruned.len();
        if count > 0 {
            self.context.ui.say(format_args!(
                "{count} image(s) that were pruned are left out; `sysext-publish add` puts one back"
            ));
        }
    }

    /// Why the name of a new image can not have its bytes, if it can not.
    pub(super) fn conflict_with_gone(
        &mut self,
        path: &Path,
        identity: Identity,
        file: &FileName,
        attempt: &Attempt<'_, '_>,
    ) -> Result<Option<DraftError>, Failure> {
        if !attempt.gone.names(file)? {
            return Ok(None);
        }
        let offered = self.digest(path, identity)?;
        Ok(attempt.gone.conflict(file, offered)?)
    }
}
