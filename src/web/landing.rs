//! The page at `/`: what this is, how to send, how to scrape, where to look. Knows only the facts it is given.

use std::net::SocketAddr;

const TEMPLATE: &str = include_str!("landing.html");

/// What the page tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    /// Where the metrics are.
    pub(super) telemetry_path: &'a str,
    /// Whether lines are taken now.
    pub(super) ready: bool,
    /// A shell line that sends a sample.
    pub(super) paste: Option<&'a str>,
    /// The address under which the client reached the bridge.
    pub(super) address: Option<SocketAddr>,
}

/// The page, in one pass over the template, so that nothing in a fact is taken for a mark.
pub(super) fn html(facts: &Facts<'_>) -> String {
    let mut html = String::with_capacity(TEMPLATE.len() + 512);
    let mut rest = TEMPLATE;
    while let Some((before, mark)) = rest.split_once("{{") {
        let (name, after) = mark.split_once("}}").unwrap_or((mark, ""));
        html.push_str(before);
        html.push_str(&fill(name, facts));
        rest = after;
    }
    html.push_str(rest);
    html
}

fn fill(mark: &str, facts: &Facts<'_>) -> String {
    match mark {
        "version" => env!("CARGO_PKG_VERSION").to_owned(),
        "path" => escape(facts.telemetry_path),
        "state" if facts.ready => r#"<span class="state ready">ready</span>"#.to_owned(),
        "state" => r#"<span class="state waiting">not ready</span>"#.to_owned(),
        "scrape" => escape(&scrape_config(facts)),
        "send" => facts
            .paste
            .map(|line| format!("<section>\n<h2>Send a sample</h2>\n<pre>{}</pre>\n</section>\n", escape(line)))
            .unwrap_or_default(),
        _ => String::new(),
    }
}

/// What to put into prometheus.yml.
fn scrape_config(facts: &Facts<'_>) -> String {
    let target = facts.address.map_or_else(|| "localhost:9102".to_owned(), |address| address.to_string());
    let path = match facts.telemetry_path {
        "/metrics" => String::new(),
        path => format!("    metrics_path: {path}\n"),
    };
    format!("scrape_configs:\n  - job_name: statsd\n{path}    static_configs:\n      - targets: [\"{target}\"]")
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts<'static> = Facts { telemetry_path: "/metrics", ready: true, paste: None, address: None };

    #[test]
    fn every_mark_is_filled_and_what_is_filled_in_is_escaped() {
        let html = html(&Facts { telemetry_path: "/m<\"{{version}}", paste: Some("echo 'a:1|c' > /dev/udp/h/9125 && x"), ..FACTS });
        assert!(html.contains("echo &#39;a:1|c&#39; &gt; /dev/udp/h/9125 &amp;&amp; x</pre>"));
        assert!(html.contains("<a href=\"/m&lt;&quot;{{version}}\">"), "a fact is text, whatever is in it");
        assert_eq!(html.matches("{{").count(), 3, "those of the path, three times, and none of the template");
        assert!(html.contains(env!("CARGO_PKG_VERSION")) && html.ends_with("</html>\n"));
    }

    #[test]
    fn it_says_only_what_holds() {
        assert!(!html(&FACTS).contains("Send a sample"));
        assert!(!html(&FACTS).contains("metrics_path"));
        assert!(html(&FACTS).contains(">ready<") && html(&Facts { ready: false, ..FACTS }).contains(">not ready<"));
        let elsewhere = Facts { telemetry_path: "/m", address: Some(([127, 0, 0, 1], 81).into()), ..FACTS };
        assert!(html(&elsewhere).contains("metrics_path: /m\n") && html(&elsewhere).contains("127.0.0.1:81"));
    }
}
