//! Members that can be written in more than one way.

use serde::Deserialize;
use sysext_formats::catalog;
use url::Url;

use crate::signer::KeySource;

/// An empty string is no URL.
pub(super) fn url_or_nothing<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Url>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    let url = catalog::link(&text).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "{text:?} is no URL that hosts follow: https:// is needed, without a user name"
        ))
    })?;
    Ok(Some(url))
}

/// A string or a list of strings; an empty string is an empty list.
pub(super) fn one_or_many<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<KeySource>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a key source or a list of them is needed")]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    let texts = match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(text) if text.is_empty() => Vec::new(),
        OneOrMany::One(text) => vec![text],
        OneOrMany::Many(texts) => texts,
    };
    texts
        .iter()
        .map(|text| text.parse().map_err(serde::de::Error::custom))
        .collect()
}
