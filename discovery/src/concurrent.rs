//! Questions that do not depend on each other, asked several at a time.

use crate::Error;
use std::future::Future;
use tokio::task::JoinSet;

/// Runs `jobs`, at most `limit` of them at a time, and hands out what they answer, in the order of the jobs. The first
/// failure ends those that still run.
pub(crate) async fn all<T: Send + 'static>(
    limit: usize,
    jobs: Vec<impl Future<Output = Result<T, Error>> + Send + 'static>,
) -> Result<Vec<T>, Error> {
    let mut waiting = jobs.into_iter().enumerate();
    let mut running = JoinSet::new();
    let mut answers: Vec<(usize, T)> = Vec::new();
    loop {
        while running.len() < limit.max(1)
            && let Some((index, job)) = waiting.next()
        {
            running.spawn(async move { job.await.map(|answer| (index, answer)) });
        }
        match running.join_next().await {
            Some(Ok(answer)) => answers.push(answer?),
            Some(Err(failed)) => return Err(Error::answer("a request of discovery", failed)),
            None => break,
        }
    }
    answers.sort_unstable_by_key(|(index, _)| *index);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

#[cfg(test)]
mod tests;
