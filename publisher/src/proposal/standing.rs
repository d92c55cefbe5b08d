//! Who has signed a proposal, and who must still sign what until when.

use std::fmt::Write as _;

use serde::Serialize;
use sysext_formats::key::KeyId;
use sysext_formats::time::UtcTime;

use crate::draft::{Difference, Draft, PendingDocuments, differences};
use crate::failure::Failure;
use crate::signer::Configured;

/// How one document of a proposal stands.
#[derive(Debug, Serialize)]
pub struct Standing {
    /// What it changes.
    #[serde(flatten)]
    pub difference: Difference,
    /// Whether enough have signed.
    pub complete: bool,
    /// Those who must sign; each of them must be satisfied.
    pub needs: Vec<Needed>,
}

/// Keys of which some must sign.
#[derive(Debug, Serialize)]
pub struct Needed {
    /// Whether these are the keys that may sign until now; otherwise those that may from now on.
    pub former: bool,
    /// How many.
    pub threshold: u64,
    /// The beginnings of the ids of those that have.
    pub signed: Vec<String>,
    /// Those that may still.
    pub open: Vec<Signatory>,
}

/// A key that may sign.
#[derive(Debug, Serialize)]
pub struct Signatory {
    /// The beginning of its id.
    pub id: String,
    /// Where the configuration says it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// How every document stands, in the order in which they are signed.
///
/// # Errors
/// When a document can not be understood.
pub fn standing(
    draft: &Draft,
    documents: &PendingDocuments,
    keys: &Configured<'_>,
) -> Result<Vec<Standing>, Failure> {
    let mut all = differences(draft)?;
    let mut found = Vec::new();
    for (id, document) in documents.iter() {
        let place = all
            .iter()
            .position(|difference| difference.role == id.role());
        let Some(place) = place else {
            continue;
        };
        let needs = draft.needs(&id);
        let complete = !needs.is_empty()
            && needs
                .iter()
                .all(|need| document.check(&need.authority).is_ok());
        let sources = keys.known(&id);
        let needs = needs.iter().map(|need| {
            let has_signed = |key: &&KeyId| {
                let key = need.authority.key(key);
                key.is_some_and(|key| document.is_signed_by(key))
            };
            let (signed, open): (Vec<_>, Vec<_>) = need.keys.keyids.iter().partition(has_signed);
            let signatory = |key: &KeyId| Signatory {
                id: key.short(),
                source: sources
                    .iter()
                    .find(|(_, known)| known == key)
                    .map(|(source, _)| source.to_string()),
            };
            Needed {
                former: need.former,
                threshold: need.keys.threshold.get(),
                signed: signed.into_iter().map(KeyId::short).collect(),
                open: open.into_iter().map(signatory).collect(),
            }
        });
        found.push(Standing {
            needs: needs.collect(),
            difference: all.remove(place),
            complete,
        });
    }
    Ok(found)
}

impl Standing {
    /// What it changes, for people.
    #[must_use]
    pub fn changes(&self) -> String {
        let difference = &self.difference;
        let (role, version, expires) = (&difference.role, difference.version, difference.expires);
        let mut text = match difference.expires_before {
            None => format!("{role} comes to be as version {version}, good until {expires}\n"),
            Some(before) if before == expires => {
                format!("{role} becomes version {version}; its expiry stays {expires}\n")
            }
            Some(before) => format!(
                "{role} becomes version {version}; its expiry moves from {before} to {expires}\n"
            ),
        };
        // Writing to a string does not fail.
        for change in &difference.changes {
            let _ = writeln!(text, "  {change}");
        }
        text
    }

    /// Who has signed, who must still, and until when, for people.
    #[must_use]
    pub fn signatures(&self) -> String {
        let role = &self.difference.role;
        if self.complete {
            return format!("{role}: everybody has signed\n");
        }
        let mut text = String::new();
        let change = self.needs.iter().any(|need| need.former);
        for need in &self.needs {
            let threshold = usize::try_from(need.threshold).unwrap_or(usize::MAX);
            let missing = threshold.saturating_sub(need.signed.len());
            if missing == 0 {
                continue;
            }
            let open = need.open.iter().map(|key| match &key.source {
                Some(source) => format!("{} ({source})", key.id),
                None => key.id.clone(),
            });
            let open: Vec<_> = open.collect();
            let whose = match (change, need.former) {
                (false, _) => "",
                (true, false) => " of the new keys",
                (true, true) => " of the former keys",
            };
            let _ = write!(
                text,
                "{role}: {missing} more{whose} must sign: {}",
                open.join(", ")
            );
            if let Some(until) = self.until() {
                let _ = write!(text, "; until {until}");
            }
            text.push('\n');
        }
        text
    }

    /// When the published document ends, which this one replaces.
    fn until(&self) -> Option<UtcTime> {
        self.difference.expires_before
    }
}
