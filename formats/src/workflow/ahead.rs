//! What a search is going to fetch, so that a remote may have several documents ready before they are asked for.
//!
//! - It fetches nothing and believes nothing: only stored documents are taken, through the checks that every document
//!   passes.
//! - It says what the very next fetch of the same search would be. An error is for the search itself to meet.

use super::{Cache, Found, Fresh, Remote, RemoteFile};
use crate::name::{RoleName, TargetPath};
use crate::trust::{Delegator, Search, SearchStep};

/// A document that is not on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// Which.
    pub file: RemoteFile,
    /// The most bytes that it may have.
    pub limit: u64,
}

impl<R: Remote, C: Cache> Fresh<R, C> {
    /// The document that [`search`](Self::search) would fetch next; `None` when it would fetch none.
    pub fn needed(
        &mut self,
        path: &TargetPath,
        mut done: impl FnMut(Found<'_>) -> bool,
    ) -> Option<Needed> {
        let mut search = Search::new(path.clone(), self.driver.limits.roles_per_lookup);
        loop {
            let request = match search.step(&self.stage).ok()? {
                SearchStep::Needs(request) => request,
                SearchStep::Visit {
                    role,
                    document,
                    target,
                } => {
                    let found = Found {
                        role,
                        document,
                        target,
                    };
                    if done(found) {
                        return None;
                    }
                    continue;
                }
                SearchStep::End => return None,
            };
            if !self.driver.stored(&mut self.stage, &request).ok()? {
                return Some(self.driver.needed(&self.stage, &request));
            }
        }
    }

    /// The document that [`delegated`](Self::delegated) would fetch; `None` when it would fetch none.
    pub fn needed_role(&mut self, name: &RoleName) -> Option<Needed> {
        let request = self.stage.request_role(name, Delegator::Targets).ok()??;
        let stored = self.driver.stored(&mut self.stage, &request).ok()?;
        (!stored).then(|| self.driver.needed(&self.stage, &request))
    }
}
