//! `/api/v1/notifications` and the stream of them: what whoever looks at the pages should know now.

use super::{Object, begin, end, push_array};
use crate::call::{Done, done};
use crate::error::Result;
use crate::json::Out;
use crate::notifications::{Notification, Notifications};
use model::timestamp::format_rfc3339;

pub(crate) fn push(out: &mut Vec<u8>, notification: &Notification) {
    Object::write(out, |object| {
        object.text("text", notification.text);
        object.text("date", &format_rfc3339(notification.date_ms));
        object.plain("active", notification.active);
    });
}

/// `/api/v1/notifications`.
pub(crate) fn list(notifications: &Notifications, out: &mut Out<'_>) -> Result<Done> {
    begin(out);
    let written = push_array(out, notifications.active(), |out, notification| {
        push(out, &notification);
    });
    if written.is_err() {
        return done(written);
    }
    end(out)
}
