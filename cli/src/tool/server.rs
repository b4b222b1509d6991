//! Asking a server: its address, the file with authentication and TLS, headers. And `check healthy`, `check ready`.

use super::{Failure, Outcome, Streams, text};
use clap::{Arg, ArgMatches, Command};
use net::client::{Client, ClientOptions, Post, Posted, Request};
use net::config::{HTTP_FIELDS, HttpClientConfig, HttpHeader, check_http};
use remote::send::PushRequest;
use std::time::Duration;
use url::Url;

/// What a query may take.
pub(super) const QUERY_TIMEOUT: Duration = Duration::from_secs(120);
/// What a check may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer that is taken.
const MAX_ANSWER_BYTES: usize = 1 << 30;

static HTTP: yaml::Schema =
    yaml::Schema { name: "http client configuration", parts: &[HTTP_FIELDS], check: check_http };

pub(super) fn healthy_command() -> Command {
    check_command("healthy", "Check if the Prometheus server is healthy")
}

pub(super) fn ready_command() -> Command {
    check_command("ready", "Check if the Prometheus server is ready")
}

fn check_command(name: &'static str, about: &'static str) -> Command {
    let url = Arg::new("url").long("url").default_value("http://localhost:9090");
    Command::new(name).about(about).arg(http_config_file()).arg(url.help("The URL of the server"))
}

/// The option for further headers.
pub(super) fn header() -> Arg {
    let help = "Extra header to send to the server, as name=value; can be given several times";
    Arg::new("header").long("header").action(clap::ArgAction::Append).help(help)
}

/// The option that names a file with the settings of the client.
pub(super) fn http_config_file() -> Arg {
    Arg::new("http.config.file").long("http.config.file").help("HTTP client configuration file")
}

/// A server and how to ask it.
pub(super) struct Server {
    url: Url,
    client: Client,
    runtime: tokio::runtime::Runtime,
}

fn input(error: impl std::fmt::Display) -> Failure {
    Failure::Input(error.to_string())
}

fn client_config(path: &str) -> Result<HttpClientConfig, Failure> {
    if path.is_empty() {
        return Ok(HttpClientConfig::default());
    }
    let bytes = std::fs::read(path).map_err(|error| Failure::Input(format!("{path}: {error}")))?;
    let document = yaml::Document::parse(path, &bytes).map_err(input)?;
    let loaded = yaml::load(&document.root, &HTTP);
    let section = loaded.map_err(|problems| input(document.error(problems)))?;
    Ok(HttpClientConfig::from_section(&section))
}

impl Server {
    /// The server at `url`, which may lack its scheme, asked as the arguments say.
    pub(super) fn new(url: &str, args: &ArgMatches) -> Result<Self, Failure> {
        let whole = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let url = Url::parse(&whole).map_err(|error| Failure::Input(format!("{url}: {error}")))?;
        let mut config = client_config(text(args, "http.config.file"))?;
        for header in args.try_get_many::<String>("header").ok().flatten().into_iter().flatten() {
            let (name, value) = header.split_once('=').ok_or_else(|| {
                Failure::Input(format!("--header: expected name=value, got {header:?}"))
            })?;
            let (name, values) = (name.to_owned(), vec![value.to_owned()]);
            config.http_headers.push(HttpHeader { name, values, ..HttpHeader::default() });
        }
        let options = ClientOptions { user_agent: "promtool".into(), ..ClientOptions::default() };
        let client = Client::new(&config, options).map_err(input)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { url, client, runtime })
    }

    /// The URL of `path` at this server.
    fn join(&self, path: &str) -> String {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        url.to_string()
    }

    /// Sends a form and answers what comes back, whatever the status.
    pub(super) fn post(&self, path: &str, form: &[(&str, &str)]) -> Result<Posted, Failure> {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(form);
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let post = Post {
            url: &self.join(path),
            headers: &headers,
            body: body.finish().into(),
            timeout: QUERY_TIMEOUT,
            max_answer_bytes: MAX_ANSWER_BYTES,
        };
        self.runtime.block_on(self.client.post(&post)).map_err(input)
    }

    /// Sends samples and answers what comes back, whatever the status.
    pub(super) fn push(
        &self,
        path: &str,
        request: &PushRequest,
        timeout: Duration,
    ) -> Result<Posted, Failure> {
        let post = Post {
            url: &self.join(path),
            headers: &request.headers,
            body: request.body.clone().into(),
            timeout,
            max_answer_bytes: MAX_ANSWER_BYTES,
        };
        self.runtime.block_on(self.client.post(&post)).map_err(input)
    }

    /// Asks for `path` with a query; the status, and the body if that is 200.
    pub(super) fn get(
        &self,
        path: &str,
        query: &[(&str, &str)],
        timeout: Duration,
    ) -> Result<(u16, Vec<u8>), Failure> {
        let mut url = Url::parse(&self.join(path)).map_err(input)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = Request { url: url.as_str(), headers: &[], timeout, body_size_limit: None };
        let mut body = Vec::new();
        let answer = self.runtime.block_on(self.client.get(&request, &mut body)).map_err(input)?;
        Ok((answer.status, body))
    }
}

/// Runs `check healthy` or `check ready`, which asks for `path`.
pub(super) fn check(args: &ArgMatches, path: &str, streams: &mut Streams<'_>) -> Outcome {
    let url = text(args, "url");
    let (status, body) = Server::new(url, args)?.get(path, &[], CHECK_TIMEOUT)?;
    if status != 200 {
        return Err(Failure::Input(format!("check failed: URL={url}, status={status}")));
    }
    writeln!(streams.error, "  SUCCESS:  {}", String::from_utf8_lossy(&body))?;
    Ok(0)
}
