//! What can be done for many images at once, before they are taken one by one: reading, linting, hashing, bringing.
//!
//! - It decides nothing but the order in which they are taken: what it leaves undone, because it failed or because the name
//!   is not clear yet, is done when the image is taken, and fails there.
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
    /// Does ahead what can be done for these images at once, and answers in which order they are to be taken: the oldest versions
    /// first, so that patches start from them.
    pub fn ahead(&mut self, paths: &[PathBuf], attempt: &mut Attempt<'_, '_>) -> Vec<PathBuf> {
        let mut ordered = paths.to_vec();
        if paths.len() < 2 {
            return ordered;
        }
        self.prepare_all(paths);
        let jobs = self.jobs(paths, attempt);
        self.read_all(&jobs, attempt);
        // What could not be read is taken last, and says so then.
        let version = |path: &PathBuf| self.prepared.get(path).map(|it| &it.candidate.version);
        ordered.sort_by(|one, other| match (version(one), version(other)) {
            (Some(one), Some(other)) => one.cmp(other),
            (one, other) => other.is_some().cmp(&one.is_some()),
        });
        ordered
    }

    /// Reads, lints and hashes these images at once, for those who look at each before it is taken.
    pub fn look_ahead(&mut self, paths: &[PathBuf]) {
        if paths.len() < 2 {
            return;
        }
        self.prepare_all(paths);
        let identities = paths.iter().filter_map(|path| {
            let identity = self.prepared.get(path)?.identity;
            let is_new = self.known.get(&identity).is_none();
            is_new.then(|| (path.clone(), identity))
        });
        let identities: Vec<_> = identities.collect();
        let ui = &self.context.ui;
        let hash = |(path, identity): &(PathBuf, Identity)| arrival::hash(path, *identity, ui);
        let digests = parallel::each(&identities, hash, Result::is_ok);
        for ((_, identity), digest) in identities.iter().zip(digests) {
            if let Some(Ok(digest)) = digest {
                self.known.insert(identity, digest, self.context.now());
            }
        }
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
            let is_known = self.known.get(identity).is_some();
            let dry_run = self.context.globals.dry_run;
            let standing = attempt
                .editor
                .standing(extension, file, version, candidate.length);
            let file = match standing {
                Ok(Standing::New) if attempt.arrivals.contains_key(file) => continue,
                Ok(Standing::New) if dry_run && !is_known => None,
                // What lies elsewhere is read when it is taken.
                Ok(Standing::New) if dry_run || self.place.is_some() => continue,
                Ok(Standing::New) if names.insert(file.clone()) => Some(file.clone()),
                Ok(Standing::Named(_)) if !is_known => None,
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
