//! A second set of names for the log: its segments and newest checkpoint, hard-linked into a directory of ours, so that
//! they stay readable however far the slowest receiver lags behind the database that truncates its log. The directory
//! is itself a log that can be replayed.

use disk::Disk;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wal::{Salvage, checkpoint, list_segments, segment_path};

/// The log and our names for it.
#[derive(Clone, Debug)]
pub(super) struct Mirror {
    disk: Arc<dyn Disk>,
    log: PathBuf,
    dir: PathBuf,
}

impl Mirror {
    /// A mirror in `dir` of the log in `log`; nothing happens yet.
    pub(super) fn new(disk: Arc<dyn Disk>, log: &Path, dir: &Path) -> Self {
        Self { disk, log: log.to_owned(), dir: dir.to_owned() }
    }

    /// Where the mirror is.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Takes in new segments, and lets go of what lies before `needed`, the segment of the slowest reader: once the log
    /// has a checkpoint below it, that replaces everything before.
    pub(super) fn follow(&self, needed: u32) -> wal::Result<()> {
        if !self.disk.is_dir(&self.dir) {
            self.disk.create_dir(&self.dir)?;
        }
        if self.is_of_another_log()? {
            self.clear()?;
        }
        let newest = checkpoint::last(&*self.disk, &self.log)?;
        let own = checkpoint::last(&*self.disk, &self.dir)?;
        let own_segments = list_segments(&*self.disk, &self.dir)?;
        let is_empty = own.is_none() && own_segments.is_empty();
        let mut covered = own.map(|own| own.segment);
        if let Some(newest) = newest
            && covered.is_none_or(|covered| covered < newest.segment)
            && (is_empty || newest.segment < needed)
        {
            self.link_checkpoint(&newest)?;
            covered = Some(newest.segment);
        }
        let begin =
            own_segments.last().map_or(covered.map_or(0, |covered| covered + 1), |last| last + 1);
        for segment in list_segments(&*self.disk, &self.log)? {
            if segment >= begin {
                self.link(&segment_path(&self.log, segment), &segment_path(&self.dir, segment))?;
            }
        }
        if let Some(covered) = covered {
            checkpoint::remove_before(&*self.disk, &self.dir, covered)?;
            for segment in own_segments.into_iter().filter(|segment| *segment <= covered) {
                self.disk.remove(&segment_path(&self.dir, segment))?;
            }
        }
        self.disk.sync_dir(&self.dir)?;
        Ok(())
    }

    /// Whether the newest segment here is not the one of that name in the log: someone began a new log. One that was
    /// damaged and is mended there is the same: what was read of it is known by its places here, and what can be read
    /// behind the damage is the same in both.
    fn is_of_another_log(&self) -> wal::Result<bool> {
        let Some(last) = list_segments(&*self.disk, &self.dir)?.pop() else { return Ok(false) };
        let (own, theirs) = (segment_path(&self.dir, last), segment_path(&self.log, last));
        let newest = list_segments(&*self.disk, &self.log)?.pop();
        if newest.is_some_and(|newest| newest < last) {
            return Ok(true);
        }
        if !self.disk.exists(&theirs) {
            return Ok(false);
        }
        // It may grow between the two looks.
        let before = self.disk.len(&own)?;
        let length = self.disk.len(&theirs)?;
        let after = self.disk.len(&own)?;
        if (before.min(after)..=before.max(after)).contains(&length) {
            return Ok(false);
        }
        let mended = Salvage::of_segment(&self.disk, &self.dir, last)?;
        Ok(!mended.map_or(Ok(false), |mended| mended.is_at(&*self.disk, &theirs))?)
    }

    fn clear(&self) -> wal::Result<()> {
        for name in self.disk.list(&self.dir)? {
            self.disk.remove(&self.dir.join(name))?;
        }
        Ok(())
    }

    fn link_checkpoint(&self, newest: &wal::Checkpoint) -> wal::Result<()> {
        let Some(name) = newest.path.file_name() else { return Ok(()) };
        let target = self.dir.join(name);
        let aside = self.dir.join(format!("{}.tmp", name.to_string_lossy()));
        if self.disk.exists(&aside) {
            self.disk.remove(&aside)?;
        }
        self.disk.create_dir(&aside)?;
        for file in self.disk.list(&newest.path)? {
            self.link(&newest.path.join(&file), &aside.join(&file))?;
        }
        self.disk.sync_dir(&aside)?;
        self.disk.rename(&aside, &target)?;
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> wal::Result<()> {
        match self.disk.hard_link(from, to) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error.into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use disk::SimDisk;
    use wal::{Writer, WriterOptions};

    #[test]
    fn what_a_slow_reader_needs_stays() {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
        let (log, dir) = (Path::new("wal"), Path::new("mirror"));
        let options = WriterOptions { segment_bytes: 32 * 1024, ..WriterOptions::default() };
        let mut writer = Writer::open(Arc::clone(&disk), log, options).expect("log");
        let mirror = Mirror::new(Arc::clone(&disk), log, dir);
        let mut record: u32 = 1;
        let mut grow = |writer: &mut Writer| {
            let from = writer.position().segment;
            while writer.position().segment < from + 4 {
                let noise: Vec<u8> = (0..20_000_u32)
                    .map(|_| {
                        record = record.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        (record >> 24) as u8
                    })
                    .collect();
                writer.log(&[&[&[99], &noise[..]].concat()]).expect("logged");
            }
        };
        grow(&mut writer);
        mirror.follow(1).expect("followed");
        let mut keep = |_| true;
        checkpoint::create(&disk, log, 0..=2, options, 0, &mut keep).expect("checkpoint");
        for segment in 0..=2 {
            disk.remove(&segment_path(log, segment)).expect("removed");
        }
        grow(&mut writer);
        mirror.follow(1).expect("followed");
        let segments = list_segments(&*disk, dir).expect("listed");
        assert_eq!(
            (segments[0], segments.last()),
            (0, list_segments(&*disk, log).expect("listed").last())
        );
        mirror.follow(5).expect("followed");
        assert_eq!(list_segments(&*disk, dir).expect("listed")[0], 3);
        assert_eq!(checkpoint::last(&*disk, dir).expect("listed").expect("one").segment, 2);
    }
}
