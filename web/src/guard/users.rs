//! Basic authentication: names with bcrypt hashes. Hashing takes long on purpose, so it runs apart and its outcomes are
//! remembered; a name that is not known takes as long as one that is.

use super::config::User;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use parking_lot::Mutex;
use std::hash::{BuildHasher, RandomState};

/// How many outcomes are remembered.
const MAX_REMEMBERED: usize = 100;

/// The hash that stands for users who do not exist. It belongs to no password that anybody knows.
const NOBODY: &str = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";

/// What was found out by now.
#[derive(Debug, Default)]
pub(super) struct Users {
    // Keys of random hashers, so that nothing of a password can be told from what is kept.
    hashers: [RandomState; 2],
    remembered: Mutex<Vec<([u64; 2], bool)>>,
}

impl Users {
    /// The one of `users` whom the request comes from.
    pub(super) async fn admit<'u>(
        &self,
        users: &'u [User],
        headers: &HeaderMap,
    ) -> Option<&'u User> {
        let (name, password) = credentials(headers)?;
        let user = users.iter().find(|known| *known.name == *name);
        let hash = user.map_or(NOBODY, |user| &user.hash).to_owned();
        let key = [0, 1].map(|i: usize| self.hashers[i].hash_one((&name, &hash, &password)));
        let remembered = self.remembered.lock().iter().find(|(k, _)| *k == key).map(|(_, ok)| *ok);
        let fits = match remembered {
            Some(fits) => fits,
            None => {
                let verify = move || bcrypt::verify(password, &hash).unwrap_or(false);
                let fits = tokio::task::spawn_blocking(verify).await.unwrap_or(false);
                let mut remembered = self.remembered.lock();
                if remembered.len() >= MAX_REMEMBERED {
                    remembered.remove(0);
                }
                remembered.push((key, fits));
                fits
            }
        };
        user.filter(|_| fits)
    }
}

/// Name and password of the request.
fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}
