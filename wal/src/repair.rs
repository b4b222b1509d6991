//! Cutting a log at its first bad record, so that it can be read to its end again.

use crate::page::PAGE_BYTES;
use crate::{Corruption, Error, Result, Writer, segment};

impl Writer {
    /// Keeps what is before the corruption: removes the segments behind it, cuts the bad segment at its last good
    /// record and goes on in a new one. A crash on the way leaves the corruption or the repaired log.
    ///
    /// Fails if the corruption is not in a segment of this log: a damaged checkpoint cannot be cut.
    pub fn repair(&mut self, corruption: &Corruption) -> Result<()> {
        if corruption.dir() != self.dir() {
            return Err(Error::Corrupt(Box::new(corruption.clone())));
        }
        let disk = std::sync::Arc::clone(self.disk());
        // From the end, so that the segments stay sequential at every moment.
        for number in segment::list_segments(&*disk, self.dir())?.into_iter().rev() {
            if number > corruption.segment {
                disk.remove(&segment::segment_path(self.dir(), number))?;
            }
        }
        disk.sync_dir(self.dir())?;
        let bad = disk.view(&corruption.path)?;
        let good = usize::try_from(corruption.good_bytes).unwrap_or(usize::MAX).min(bad.len());
        // Prometheus pads to whole pages and by a whole page if there is nothing to pad.
        let mut salvaged = Vec::with_capacity(good + PAGE_BYTES);
        salvaged.extend_from_slice(&bad[..good]);
        salvaged.resize((good / PAGE_BYTES + 1) * PAGE_BYTES, 0);
        let aside = corruption.path.with_extension("repair");
        if disk.exists(&aside) {
            disk.remove(&aside)?;
        }
        let mut file = disk.create(&aside)?;
        file.append(&salvaged)?;
        file.sync()?;
        disk.rename(&aside, &corruption.path)?;
        disk.sync_dir(self.dir())?;
        self.restart(corruption.segment + 1)
    }
}
