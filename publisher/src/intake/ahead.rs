//! What can be done for many images at once, before they are taken one by one: reading, linting, hashing, bringing.
//!
//! - It decides nothing: what it leaves undone, because it failed or because the name is not clear yet, is done when the
//!   image is taken, and fails there, in the order of the images.
//! - Bytes are read by as many threads as there are cores; a frame is compressed by what of them is left for each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use sysext_formats::name::FileName;

use super::{Intake, Prepared};
use crate::arrival::{self, Identity, Transports};
use crate::draft::Standing;
use crate::parallel;
use crate::reconcile::Attempt;

/// One image whose bytes are to be read.
struct Job {
    path: PathBuf,
    identity: Identity,
    /// Under which name it is brought; where it has none, it is hashed only.
    file: Option<FileName>,
}

impl Intake<'_> {
    /// Does ahead what can be done for these images at once.
    pub fn ahead(&mut self, paths: &[PathBuf], attempt: &mut Attempt<'_, '_>) {
        if paths.len() < 2 {
            return;
        }
        self.prepare_all(paths);
        let jobs = self.jobs(paths, attempt);
        self.read_all(&jobs, attempt);
    }

    fn prepare_all(&mut self, paths: &[PathBuf]) {
        let new = |path: &&PathBuf| !self.prepared.contains_key(*path);
        let new: Vec<PathBuf> = paths.iter().filter(new).cloned().collect();
        let request = &self.request;
        let results = parallel::each(
            &new,
            |path| Prepared::read(path, request).ok(),
            Option::is_some,
        );
        for (path, prepared) in new.into_iter().zip(results) {
            self.prepared
                .extend(prepared.flatten().map(|it| (path, it)));
        }
    }

    /// What is to be read of them, as far as that is clear.
    fn jobs(&self, paths: &[PathBuf], attempt: &mut Attempt<'_, '_>) -> Vec<Job> {
        let mut jobs = BTreeMap::new();
        let mut names = BTreeSet::new();
        for path in paths {
            let Some(Prepared {
                identity,
                candidate,
                findings,
                ..
            }) = self.prepared.get(path)
            else {
                continue;
            };
            let extension = &candidate.extension;
            if crate::lint::has_errors(findings) || self.load(extension, attempt).is_err() {
                continue;
            }
            let (file, version) = (&candidate.file_name, &candidate.version);
            let brings = !self.context.globals.dry_run && self.request.at.is_none();
            let file = match attempt
                .editor
                .standing(extension, file, version, candidate.length)
            {
                Ok(Standing::New) if attempt.arrivals.contains_key(file) => continue,
                Ok(Standing::New) if brings && names.insert(file.clone()) => Some(file.clone()),
                Ok(Standing::New | Standing::Named(_)) if self.known.get(identity).is_none() => {
                    None
                }
                _ => continue,
            };
            // The same file by two paths is read once.
            jobs.entry((file.is_none(), *identity))
                .or_insert_with(|| Job {
                    path: path.clone(),
                    identity: *identity,
                    file,
                });
        }
        jobs.into_values().collect()
    }

    fn read_all(&mut self, jobs: &[Job], attempt: &mut Attempt<'_, '_>) {
        let transports = Transports::of(attempt.config, self.request.zstd_level)
            .sharing(parallel::cores().min(jobs.len()));
        let (store, ui) = (self.store, &self.context.ui);
        let read = |job: &Job| match &job.file {
            None => arrival::hash(&job.path, job.identity, ui).map(|sha256| (sha256, None)),
            Some(file) => arrival::bring(store, &job.path, job.identity, file, transports, ui)
                .map(|arrival| (arrival.sha256, Some(arrival))),
        };
        let results = parallel::each(jobs, read, Result::is_ok);
        for (job, result) in jobs.iter().zip(results) {
            if let Some(Ok((sha256, arrival))) = result {
                self.known.insert(&job.identity, sha256, self.context.now());
                let named = job.file.clone().zip(arrival);
                attempt.arrivals.extend(named);
            }
        }
    }
}
