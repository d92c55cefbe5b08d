//! One transaction while it runs: links and merges, forwards and back.

use std::collections::BTreeSet;
use std::path::PathBuf;

use sysext_durable::checkpoint;

use super::links::{LinkDirectory, LinkKind, links};
use super::{ActivateError, Applied, Merge, Site, Switch, check, displaced, quarantine};
use crate::history::{Changed, ImageRef, Quarantined, Transaction};
use crate::journal::{Change, Journal, Phase};
use crate::roots::keep_record;
use crate::stage::StagedImage;
use crate::store::{LinkTarget, StoreError};

/// A switch that changes something.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) switch: &'a Switch,
    pub(super) from: Option<LinkTarget>,
    pub(super) change: Change,
    /// What systemd takes instead of the new link.
    pub(super) shadow: Option<PathBuf>,
}

/// One transaction while it runs.
pub(super) struct Run<'a> {
    pub(super) site: &'a Site<'a>,
    pub(super) directory: LinkDirectory,
    /// What was merged before, where the new links are to be merged.
    pub(super) merged_before: Option<Vec<String>>,
    /// On disk already.
    pub(super) journal: Journal,
}

impl Run<'_> {
    /// Switches and merges all, or what of it can be merged. Answers with the steps that hold.
    pub(super) fn all_or_each<'s, 'a>(
        &mut self,
        steps: &'s [Step<'a>],
        applied: &mut Applied,
    ) -> Result<Vec<&'s Step<'a>>, ActivateError> {
        let all: Vec<_> = steps.iter().collect();
        self.switch(&[], &all)?;
        let Some(before) = &self.merged_before else {
            return Ok(all);
        };
        applied.merge = Merge::Done;
        let Err(failure) = self.merge(before, &all) else {
            return Ok(all);
        };
        tracing::warn!(reason = %failure, "the merge failed, all links are put back");
        self.restore(&all, &[], &failure)?;
        // Alone already, unless something else has changed by merging anew.
        if let [only] = all.as_slice()
            && self.site.systemd.merged().is_ok_and(|now| now == *before)
        {
            put_in_quarantine(only, failure, applied);
            return Ok(Vec::new());
        }
        let mut good: Vec<&Step<'_>> = Vec::new();
        for step in all {
            let before = self.site.systemd.merged().unwrap_or_default();
            self.switch(&good, &[step])?;
            let mut trial = good.clone();
            trial.push(step);
            match self.merge(&before, &trial) {
                Ok(()) => good = trial,
                Err(failure) => {
                    self.restore(&[step], &good, &failure)?;
                    put_in_quarantine(step, failure, applied);
                }
            }
        }
        Ok(good)
    }

    /// Switches the links of `steps`, while those of `good` are switched already. Where one fails, all are put back.
    fn switch(&self, good: &[&Step<'_>], steps: &[&Step<'_>]) -> Result<(), ActivateError> {
        for (index, step) in steps.iter().enumerate() {
            let switched =
                displaced::take_away(self.site.root, &step.change.displaced).and_then(|()| {
                    self.directory
                        .set(&step.change.name, step.change.to.as_deref())
                });
            if let Err(error) = switched {
                let cause = error.to_string();
                self.put_back_displaced(step, &cause)?;
                self.put_back(steps.get(..index).unwrap_or_default(), &cause)?;
                self.abandon(good, &cause)?;
                return Err(error.into());
            }
        }
        let images = steps
            .iter()
            .filter_map(|step| Some((step, step.switch.to.as_ref()?)));
        let paths = images.flat_map(|(step, image)| {
            let link = self.directory.path_of(step.change.name.as_str());
            [link, image.stored().path.clone()]
        });
        self.site.systemd.relabel(&paths.collect::<Vec<_>>());
        Ok(())
    }

    /// Puts links back and merges what they name. Where that fails too, the changes were not to blame: those in `good`
    /// are put back as well.
    fn restore(
        &self,
        steps: &[&Step<'_>],
        good: &[&Step<'_>],
        cause: &str,
    ) -> Result<(), ActivateError> {
        self.put_back(steps, cause)?;
        let Err(source) = self.site.systemd.refresh() else {
            return Ok(());
        };
        self.abandon(good, cause)?;
        Err(ActivateError::CanNotMerge {
            with_new: cause.to_owned(),
            source,
        })
    }

    /// Puts back what was merged one by one, so that what is merged agrees with the links, and ends the journal.
    fn abandon(&self, good: &[&Step<'_>], cause: &str) -> Result<(), ActivateError> {
        self.put_back(good, cause)?;
        let merged = if good.is_empty() {
            Ok(())
        } else {
            self.site.systemd.refresh()
        };
        self.journal.remove(self.site.store)?;
        merged.map_err(|source| ActivateError::CanNotMerge {
            with_new: cause.to_owned(),
            source,
        })
    }

    fn put_back(&self, steps: &[&Step<'_>], cause: &str) -> Result<(), ActivateError> {
        for step in steps.iter().rev() {
            self.directory
                .set(&step.change.name, step.change.from.as_deref())
                .map_err(|source| ActivateError::NotPutBack {
                    cause: cause.to_owned(),
                    source,
                })?;
            self.put_back_displaced(step, cause)?;
        }
        Ok(())
    }

    fn put_back_displaced(&self, step: &Step<'_>, cause: &str) -> Result<(), ActivateError> {
        displaced::put_back(self.site.root, &step.change.displaced).map_err(|source| {
            ActivateError::NotPutBack {
                cause: cause.to_owned(),
                source,
            }
        })
    }

    /// Merges, and sees that what should be merged is; the error is the reason in words.
    fn merge(&self, before: &[String], steps: &[&Step<'_>]) -> Result<(), String> {
        let systemd = self.site.systemd;
        systemd.refresh().map_err(|error| error.to_string())?;
        checkpoint("merged");
        let images: Vec<_> = steps
            .iter()
            .filter(|step| step.shadow.is_none())
            .filter_map(|step| step.switch.to.as_ref())
            .map(StagedImage::stored)
            .collect();
        let changed: BTreeSet<_> = steps.iter().map(|step| step.change.name.as_str()).collect();
        // Others' extensions, and links that are gone since the last merge, may well be left out from now on.
        let linked =
            links(self.site.root, self.site.activation).map_err(|error| error.to_string())?;
        let kept = linked
            .iter()
            .filter(|link| matches!(link.kind, LinkKind::Ours { .. }) && link.shadowed_by.is_none())
            .map(|link| link.name.as_str())
            .filter(|name| !changed.contains(name) && before.iter().any(|merged| merged == name));
        check::check(systemd, &images, kept)
    }

    /// Writes down what holds, and ends the journal.
    pub(super) fn commit(
        &mut self,
        steps: &[&Step<'_>],
        applied: &mut Applied,
    ) -> Result<(), ActivateError> {
        let store = self.site.store;
        let mut done = self.journal.clone();
        done.changes = steps.iter().map(|step| step.change.clone()).collect();
        done.phase = Phase::Done;
        done.quarantined.clone_from(&applied.quarantined);
        if let Err(error) = done.write(store) {
            return Err(self.not_written_down(steps, error));
        }
        self.journal = done;
        applied.changed = steps
            .iter()
            .map(|step| Changed {
                name: step.change.name.clone(),
                from: step
                    .from
                    .as_ref()
                    .map(|link| ImageRef::of_link(link, store)),
                to: step
                    .switch
                    .to
                    .as_ref()
                    .map(|image| ImageRef::of(image.stored())),
            })
            .collect();
        if !steps.is_empty() || !applied.quarantined.is_empty() {
            record(self.site, &self.journal, applied).map_err(ActivateError::NotRecorded)?;
        }
        let Site {
            root,
            activation,
            now,
            ..
        } = *self.site;
        keep_record(root, store, activation, now).map_err(ActivateError::NotRecorded)?;
        applied.not_skipped = quarantine::skip_all(self.site, &applied.quarantined);
        self.journal
            .remove(store)
            .map_err(ActivateError::NotRecorded)
    }

    /// What is on disk still says that links are changing, and the next run would put them back: better at once, while
    /// somebody is told.
    fn not_written_down(&self, steps: &[&Step<'_>], error: StoreError) -> ActivateError {
        let cause = error.to_string();
        let back = if self.merged_before.is_some() {
            self.restore(steps, &[], &cause)
        } else {
            self.put_back(steps, &cause)
        };
        let ended = back.and_then(|()| Ok(self.journal.remove(self.site.store)?));
        ended.err().unwrap_or(ActivateError::NotWrittenDown(error))
    }
}

fn record(site: &Site<'_>, journal: &Journal, applied: &mut Applied) -> Result<(), StoreError> {
    let number = journal.transaction;
    let mut transaction = Transaction::new(
        number,
        journal.root.clone(),
        journal.time,
        applied.changed.clone(),
    );
    transaction.cause = journal.cause;
    transaction.quarantined.clone_from(&applied.quarantined);
    transaction.record(site.store)?;
    applied.transaction = Some(number);
    Ok(())
}

fn put_in_quarantine(step: &Step<'_>, reason: String, applied: &mut Applied) {
    let image = step.switch.to.as_ref();
    applied.quarantined.push(Quarantined {
        name: step.change.name.clone(),
        version: image.map(|image| image.stored().version().clone()),
        reason,
    });
}
