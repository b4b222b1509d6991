//! What automatic reloading compares: the file of the configuration and the files that it names, as one checksum.
//! When to look is for the caller to know.

use super::{ConfigError, glob};
use ring::digest::{Context, SHA256};
use yaml::{Content, Document, path};

/// Stands for the content of all files of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checksum([u8; 32]);

/// The checksum of the configuration `file`, its rule files and its files of scrape jobs. Whether they are good is not
/// looked at, but the file has to be YAML, and all have to be readable.
pub(crate) fn checksum(file: &str) -> Result<Checksum, ConfigError> {
    let mut sum = Context::new(&SHA256);
    let bytes = read(file)?;
    sum.update(&bytes);
    let document = Document::parse(file, &bytes)?;
    let directory = path::directory(file);
    for (kind, field) in [("r", "rule_files"), ("s", "scrape_config_files")] {
        for item in document.root.items_at(field) {
            let Content::Scalar { text, .. } = &item.content else { continue };
            for named in glob(&path::join(&directory, text))? {
                for part in [kind.as_bytes(), named.as_bytes(), &read(&named)?] {
                    sum.update(part);
                    // Where one part ends and the next begins counts, too.
                    sum.update(&[0]);
                }
            }
        }
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(sum.finish().as_ref());
    Ok(Checksum(bytes))
}

fn read(file: &str) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(file)
        .map_err(|error| ConfigError::whole(file, format!("cannot be read: {error}")))
}
