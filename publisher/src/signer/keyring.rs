//! The configured keys, and which of them sign a role.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use std::cell::RefCell;
use std::collections::BTreeMap;

use sysext_formats::key::{KeyId, PublicKey};
use sysext_formats::role::RoleKeys;
use sysext_formats::sign::{SecretKey, Signer};

use super::command::CommandSigner;
use super::pem::{decode, read_secret_text};
use super::{KeySource, Passphrases, SignerError, read_public_file};
use crate::context::Context;

/// Everybody who signs one document.
#[derive(Clone)]
pub struct Signers(Vec<Rc<dyn Signer>>);

impl std::fmt::Debug for Signers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids = self
            .0
            .iter()
            .map(|signer| signer.public_key().canonical_id());
        f.debug_list().entries(ids).finish()
    }
}

impl Signers {
    /// Keys at hand.
    #[must_use]
    pub fn of(keys: impl IntoIterator<Item = Rc<SecretKey>>) -> Self {
        Self(keys.into_iter().map(|key| key as Rc<dyn Signer>).collect())
    }

    /// Whose they are.
    #[must_use]
    pub fn ids(&self) -> Vec<KeyId> {
        let ids = self.0.iter().map(|signer| signer.public_key());
        ids.map(PublicKey::canonical_id).collect()
    }

    /// As [`SignedDocument::new`](sysext_formats::sign::SignedDocument::new) takes them.
    #[must_use]
    pub fn refs(&self) -> Vec<&dyn Signer> {
        self.0.iter().map(Rc::as_ref).collect()
    }
}

/// The keys that are there for a document.
#[derive(Debug)]
pub struct AtHand {
    /// Those that shall sign.
    pub signers: Signers,
    /// Their ids, and those of the keys that have signed before.
    pub ids: Vec<KeyId>,
    /// Each source, with what is there.
    pub tried: Vec<(KeySource, String)>,
    /// How many sources are not there.
    pub absent: usize,
}

fn is_met(keys: &RoleKeys, ids: &[KeyId]) -> bool {
    let signed = keys.keyids.iter().filter(|id| ids.contains(id)).count();
    keys.threshold.is_met_by(signed)
}

/// The configured keys. Each is unlocked once, when it is first needed.
pub struct KeyRing {
    directory: PathBuf,
    variable: fn(&str) -> Option<String>,
    passphrases: Passphrases,
    open: RefCell<BTreeMap<KeySource, Rc<dyn Signer>>>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

/// What is known of a source without unlocking it.
enum Peek {
    Absent(String),
    Public(PublicKey),
    /// There, and nobody knows whose it is before it is unlocked.
    Locked,
}

impl KeyRing {
    /// The keys as the configuration beside which they lie names them.
    #[must_use]
    pub fn new(context: &Context) -> Self {
        Self {
            directory: context.directory(),
            variable: context.environment.variable,
            passphrases: Passphrases::of(context),
            open: RefCell::default(),
        }
    }

    /// Those of `sources` that sign `role`, of which every one of `needs` must be satisfied: enough, no more.
    ///
    /// # Errors
    /// When too few are there, or one can not be unlocked.
    pub fn signers(
        &self,
        role: &str,
        needs: &[&RoleKeys],
        sources: &[KeySource],
    ) -> Result<Signers, SignerError> {
        let AtHand {
            signers,
            ids,
            tried,
            absent,
        } = self.at_hand(needs, sources, &[])?;
        let Some(unmet) = needs.iter().find(|keys| !is_met(keys, &ids)) else {
            return Ok(signers);
        };
        let role = role.to_owned();
        if absent == sources.len() {
            return Err(SignerError::NoneThere { role, tried });
        }
        Err(SignerError::WrongKeys {
            role,
            threshold: unmet.threshold.get(),
            allowed: unmet.keyids.iter().map(KeyId::short).collect(),
            tried,
        })
    }

    /// Those of `sources` that are there and whose signature is still asked for, where the keys `have` have signed.
    ///
    /// # Errors
    /// When one that may sign can not be unlocked.
    pub fn at_hand(
        &self,
        needs: &[&RoleKeys],
        sources: &[KeySource],
        have: &[KeyId],
    ) -> Result<AtHand, SignerError> {
        let mut ids = have.to_vec();
        let mut signers = Vec::new();
        let mut tried = Vec::new();
        let mut absent = 0;
        let may_sign = |id: &KeyId| needs.iter().any(|keys| keys.keyids.contains(id));
        let is_asked_for = |id: &KeyId, ids: &[KeyId]| {
            let mut unmet = needs.iter().filter(|keys| !is_met(keys, ids));
            unmet.any(|keys| keys.keyids.contains(id)) && !ids.contains(id)
        };
        for source in sources {
            if needs.iter().all(|keys| is_met(keys, &ids)) {
                break;
            }
            let known = match self.peek(source)? {
                Peek::Absent(why) => {
                    absent += 1;
                    tried.push((source.clone(), why));
                    continue;
                }
                Peek::Public(key) => Some(key.canonical_id()),
                Peek::Locked => None,
            };
            let id = match known {
                Some(id) => id,
                None => self.unlock(source)?.public_key().canonical_id(),
            };
            let what = match (may_sign(&id), is_asked_for(&id, &ids)) {
                (false, _) => "",
                (true, false) => ", once more",
                (true, true) => ", which may sign",
            };
            tried.push((source.clone(), format!("the key {}{what}", id.short())));
            if is_asked_for(&id, &ids) {
                signers.push(self.unlock(source)?);
                ids.push(id);
            }
        }
        Ok(AtHand {
            signers: Signers(signers),
            ids,
            tried,
            absent,
        })
    }

    /// The public half of a key: from the `.pub` file beside it where there is one, else from the key itself.
    ///
    /// # Errors
    /// When it is not there or can not be unlocked.
    pub fn public_key(&self, source: &KeySource) -> Result<PublicKey, SignerError> {
        match self.peek(source)? {
            Peek::Public(key) => Ok(key),
            Peek::Absent(why) => Err(SignerError::NoneThere {
                role: "this".to_owned(),
                tried: vec![(source.clone(), why)],
            }),
            Peek::Locked => Ok(self.unlock(source)?.public_key().clone()),
        }
    }

    /// In a few words, whether a key is there; it is not unlocked.
    #[must_use]
    pub fn describe(&self, source: &KeySource) -> (Option<PublicKey>, String) {
        match self.peek(source) {
            Ok(Peek::Absent(why)) => (None, why),
            Ok(Peek::Public(key)) => (Some(key), "there".to_owned()),
            Ok(Peek::Locked) => (None, "there, encrypted".to_owned()),
            Err(error) => (None, error.to_string()),
        }
    }

    fn peek(&self, source: &KeySource) -> Result<Peek, SignerError> {
        if let Some(signer) = self.open.borrow().get(source) {
            return Ok(Peek::Public(signer.public_key().clone()));
        }
        match source {
            KeySource::File(path) => {
                let path = self.directory.join(path);
                let Some(text) = read_secret_text(&path)? else {
                    return Ok(Peek::Absent("there is no such file".to_owned()));
                };
                if SecretKey::is_encrypted(&text) {
                    let public = read_public_file(&path.with_extension("pub"))?;
                    return Ok(public.map_or(Peek::Locked, Peek::Public));
                }
            }
            KeySource::Variable(name) => {
                let Some(text) = (self.variable)(name).filter(|text| !text.is_empty()) else {
                    return Ok(Peek::Absent("the variable is not set, or empty".to_owned()));
                };
                if SecretKey::is_encrypted(&text) {
                    return Ok(Peek::Locked);
                }
            }
            KeySource::Command(_) => {}
        }
        // Not encrypted: nothing to be asked.
        Ok(Peek::Public(self.unlock(source)?.public_key().clone()))
    }

    fn unlock(&self, source: &KeySource) -> Result<Rc<dyn Signer>, SignerError> {
        if let Some(signer) = self.open.borrow().get(source) {
            return Ok(Rc::clone(signer));
        }
        let name = source.to_string();
        let signer: Rc<dyn Signer> = match source {
            KeySource::File(path) => {
                let path = self.directory.join(path);
                let text = read_secret_text(&path)?.ok_or(SignerError::Missing(path))?;
                Rc::new(decode(&text, &name, &self.passphrases)?)
            }
            KeySource::Variable(variable) => {
                let text = (self.variable)(variable).unwrap_or_default();
                Rc::new(decode(&text, &name, &self.passphrases)?)
            }
            KeySource::Command(command) => self.command_signer(source, command)?,
        };
        self.open
            .borrow_mut()
            .insert(source.clone(), Rc::clone(&signer));
        Ok(signer)
    }

    /// `cmd:PUBLIC.pub PROGRAM ARGUMENTS`: a first word that ends in `.pub` names the public half.
    fn command_signer(
        &self,
        source: &KeySource,
        command: &str,
    ) -> Result<Rc<dyn Signer>, SignerError> {
        let unknown = || SignerError::NoPublicHalf(source.clone());
        let (public, command) = command.trim().split_once(' ').ok_or_else(unknown)?;
        if Path::new(public)
            .extension()
            .is_none_or(|extension| extension != "pub")
        {
            return Err(unknown());
        }
        let path = self.directory.join(public);
        let public = read_public_file(&path)?.ok_or(SignerError::Missing(path))?;
        Ok(Rc::new(CommandSigner {
            command: command.to_owned(),
            public,
        }))
    }
}

#[cfg(test)]
mod tests {
    use sysext_formats::role::{
        Extra, MetaFile, MetadataVersion, Threshold, Timestamp, TimestampMeta,
    };
    use sysext_formats::sign::SignedDocument;

    use super::*;
    use crate::cli::Globals;
    use crate::context::Environment;
    use crate::signer::public_pem;

    fn ring(directory: &Path) -> KeyRing {
        let globals = Globals {
            config: directory.join("sysext-publish.toml"),
            ..Globals::default()
        };
        let environment = Environment {
            now: "2030-01-01T00:00:00Z".parse().unwrap(),
            variable: |_| None,
        };
        KeyRing::new(&Context::new(globals, environment))
    }

    fn keys(ids: &[&SecretKey], threshold: u64) -> RoleKeys {
        RoleKeys {
            keyids: ids
                .iter()
                .map(|key| key.public_key().canonical_id())
                .collect(),
            threshold: Threshold::new(threshold).unwrap(),
            extra: Extra::new(),
        }
    }

    fn timestamp() -> Timestamp {
        Timestamp {
            version: MetadataVersion::ONE,
            expires: "2030-01-01T00:00:00Z".parse().unwrap(),
            meta: TimestampMeta {
                snapshot: MetaFile::version_only(MetadataVersion::ONE),
                extra: Extra::new(),
            },
            extra: Extra::new(),
        }
    }

    #[test]
    fn a_program_signs_what_it_is_given() {
        let temp = tempfile::tempdir().unwrap();
        let key = SecretKey::from_seed(&[7; 32]);
        let expected = SignedDocument::new(&timestamp(), &[&key]).unwrap();
        // What a program would be given, and answers: ed25519 signatures are the same every time.
        let document: serde_json::Value = serde_json::from_slice(expected.bytes()).unwrap();
        let message = sysext_formats::canonical::encode(&document["signed"]).unwrap();
        std::fs::write(temp.path().join("message"), &message).unwrap();
        std::fs::write(temp.path().join("signature"), key.sign(&message).unwrap()).unwrap();
        std::fs::write(
            temp.path().join("key.pub"),
            public_pem(key.public_key()).unwrap(),
        )
        .unwrap();
        let program = temp.path().join("sign");
        let script = format!(
            "#!/bin/sh\ncd {} && cmp -s - message && cat signature\n",
            temp.path().display()
        );
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(
            &program,
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();

        let source: KeySource = format!("cmd:key.pub {}", program.display())
            .parse()
            .unwrap();
        let signers = ring(temp.path())
            .signers("timestamp", &[&keys(&[&key], 1)], &[source])
            .unwrap();
        let signed = SignedDocument::new(&timestamp(), &signers.refs()).unwrap();
        assert_eq!(signed, expected);
    }

    #[test]
    fn as_many_keys_sign_as_the_threshold_needs_and_one_counts_once() {
        let temp = tempfile::tempdir().unwrap();
        let all = [1, 2, 3].map(|seed| SecretKey::from_seed(&[seed; 32]));
        let sources: Vec<KeySource> = all
            .iter()
            .enumerate()
            .map(|(number, key)| {
                let path = temp.path().join(format!("{number}.pem"));
                std::fs::write(&path, key.to_pem(None).unwrap()).unwrap();
                std::fs::set_permissions(
                    &path,
                    std::os::unix::fs::PermissionsExt::from_mode(0o600),
                )
                .unwrap();
                KeySource::File(path)
            })
            .collect();
        let [one, two, three] = &all;
        let ring = ring(temp.path());
        let signers = |threshold, sources: &[KeySource]| {
            ring.signers("root", &[&keys(&[one, two], threshold)], sources)
        };
        assert_eq!(signers(1, &sources).unwrap().refs().len(), 1);
        assert_eq!(signers(2, &sources).unwrap().refs().len(), 2);
        let [first, _, third] = sources.as_slice() else {
            panic!()
        };
        let twice = signers(2, &[first.clone(), first.clone(), third.clone()])
            .unwrap_err()
            .to_string();
        assert!(twice.contains("once more"), "{twice}");
        assert!(
            twice.contains(&three.public_key().canonical_id().short()),
            "{twice}"
        );
        assert!(matches!(
            signers(1, &[]),
            Err(SignerError::NoneThere { .. })
        ));
    }
}
