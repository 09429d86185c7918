//! Alarms: what an operator must hear of, as an error line and a counter `alarm.<word>`.

/// Rings the alarm `word`.
pub fn ring(word: &'static str, message: &str) {
    tracing::error!(alarm = word, "{message}");
    metrics::counter!(format!("alarm.{word}")).increment(1);
}
