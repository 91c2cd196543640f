//! Reads the values of settings and gathers findings on the way, so that all of them are made.

use std::path::PathBuf;

use crate::oauth::issuer::Issuer;
use crate::oauth::secret::Secret;
use crate::user::{AcrMap, Levels};

use super::finding::{Fault, Finding, Source};
use super::gate::{self, GateSettings};
use super::secret_file;
use super::value;
use super::written::Written;

/// Reads values and gathers what is wrong with them, each with where it was written.
pub(super) struct Reader<'a> {
    written: &'a Written,
    findings: Vec<Finding>,
}

impl<'a> Reader<'a> {
    /// Begins with what was wrong already.
    pub(super) fn new(written: &'a Written) -> Self {
        Self {
            written,
            findings: written.findings().to_vec(),
        }
    }

    /// Everything that was found.
    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    /// Whether flag, environment or file says anything of that setting.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.written.is_set(name)
    }

    /// What each way of signing in is worth, and what that is called.
    pub(super) fn levels(&self) -> (Levels, AcrMap) {
        (self.written.levels(), self.written.acr().clone())
    }

    /// The gates, understood; none where it is not known who the issuer is.
    pub(super) fn gates(&mut self, issuer: Option<&Issuer>) -> Vec<GateSettings> {
        let read = |issuer| gate::read(self.written.gates(), issuer, &mut self.findings);
        issuer.map(read).unwrap_or_default()
    }

    /// Finds fault with the setting of that name as a whole.
    pub(super) fn error(&mut self, name: &'static str, fault: Fault) {
        self.findings.push(Finding::error(self.source(name), fault));
    }

    /// Warns of the setting of that name as a whole.
    pub(super) fn warning(&mut self, name: &'static str, fault: Fault) {
        self.findings
            .push(Finding::warning(self.source(name), fault));
    }

    /// Every value of that setting, with where it was written.
    pub(super) fn values(&self, name: &str) -> Vec<(String, Source)> {
        let values = self
            .written
            .entry(name)
            .map(|entry| entry.values.as_slice());
        let values = values.unwrap_or_default().iter();
        values
            .map(|value| (value.text.clone(), value.source.clone()))
            .collect()
    }

    fn source(&self, name: &'static str) -> Source {
        let source = self.written.source(name).cloned();
        source.unwrap_or(Source::Default(name))
    }

    /// Every value of that setting, each of which may be warned of.
    pub(super) fn all_warned<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<(T, Option<Fault>), Fault>,
    ) -> Vec<T> {
        let mut all = Vec::new();
        for (text, source) in self.values(name) {
            // That it is empty has been found already.
            if text.is_empty() {
                continue;
            }
            match parse(&text) {
                Ok((value, warning)) => {
                    all.push(value);
                    self.findings
                        .extend(warning.map(|fault| Finding::warning(source, fault)));
                }
                Err(fault) => self.findings.push(Finding::error(source, fault)),
            }
        }
        all
    }

    /// Every value of that setting.
    pub(super) fn all<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, Fault>,
    ) -> Vec<T> {
        self.all_warned(name, |text| Ok((parse(text)?, None)))
    }

    /// The value of a setting that is written once; `None` where there is none or it is wrong.
    pub(super) fn value<T>(
        &mut self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        self.all(name, parse).into_iter().next()
    }

    /// The name of a file or directory.
    pub(super) fn path(&mut self, name: &str) -> Option<PathBuf> {
        self.value(name, |text| Ok(PathBuf::from(text)))
    }

    /// Whether a switch is on.
    pub(super) fn switch(&mut self, name: &str) -> bool {
        self.value(name, value::switch).unwrap_or(false)
    }

    /// The secret in the file that the setting names.
    pub(super) fn secret(&mut self, name: &str) -> Option<Secret> {
        self.all_warned(name, |text| secret_file::read(text.as_ref()))
            .into_iter()
            .next()
    }
}
