//! Regions, their nodes and zones, and the links between them.

use super::read::{self, Problem, Table, Value};
use crate::plan::{LinkPlan, NodePlan, RegionLink, Release};

/// Most nodes of a scenario.
const NODES_MAX: u64 = 200;
/// One-way delay within a region unless the scenario says otherwise, microseconds.
const NEAR_US: u64 = 500;
/// One-way delay between regions unless the scenario says otherwise, microseconds.
const FAR_US: u64 = 40_000;

const LINK: &[&str] = &["regions", "rtt", "jitter", "loss", "rate"];

/// The topology.
#[derive(Debug)]
pub(super) struct Mesh {
    regions: Vec<Region>,
    near: RegionLink,
    far: RegionLink,
    between: Vec<RegionLink>,
}

#[derive(Debug)]
struct Region {
    name: String,
    nodes: usize,
    zones: usize,
}

impl Mesh {
    pub(super) fn read(root: &Table<'_>) -> Result<Self, Problem> {
        let like = "a scenario has regions, such as `[regions]` with `eu = { nodes = 3 }`";
        let regions = Table::of(root.must("regions", like)?, "[regions]")?;
        let regions: Vec<Region> =
            regions.rows().into_iter().map(|(name, value)| region(name, value)).collect::<Result<_, _>>()?;
        if regions.is_empty() {
            return Err(Problem::at(root.must("regions", like)?, like));
        }
        let mut mesh = Self { regions, near: usual(NEAR_US), far: usual(FAR_US), between: Vec::new() };
        if let Some(links) = root.table("links")? {
            links.only(&["within", "far", "between"], "[links]")?;
            if let Some(value) = links.get("within") {
                mesh.near = mesh.link(value, NEAR_US, false)?;
            }
            if let Some(value) = links.get("far") {
                mesh.far = mesh.link(value, FAR_US, false)?;
            }
            if let Some(value) = links.get("between") {
                for value in read::list(value, "a list, like [{ regions = [\"eu\", \"us\"], rtt = \"80ms\" }]")? {
                    let link = mesh.link(value, FAR_US, true)?;
                    mesh.between.push(link);
                }
            }
        }
        Ok(mesh)
    }

    fn link(&self, value: &Value<'_>, usual_us: u64, named: bool) -> Result<RegionLink, Problem> {
        let table = Table::of(value, "{ rtt = \"80ms\", loss = \"0.5%\" }")?;
        table.only(if named { LINK } else { &LINK[1..] }, "a link")?;
        let mut link = usual(table.get("rtt").map_or(Ok(usual_us), |rtt| Ok(read::time_us(rtt)? / 2))?);
        if let Some(jitter) = table.get("jitter") {
            link.jitter_percent = self.jitter(jitter, link.delay_us)?;
        }
        link.loss_ppm = table.get("loss").map_or(Ok(0), read::share_ppm)?;
        if let Some(loss) = table.get("loss").filter(|_| link.loss_ppm > 500_000) {
            return Err(Problem::at(loss, "a link that loses more than 50% carries nothing in time: make it a cut"));
        }
        link.rate_kbit = table.get("rate").map(read::rate_kbit).transpose()?;
        if named {
            let like = "regions = [\"eu\", \"us\"]";
            let ends = read::list(table.must("regions", like)?, like)?;
            let [one, other] = ends[..] else {
                return Err(Problem::at(table.must("regions", like)?, format!("a link joins two regions: {like}")));
            };
            link.between = [self.region(one)?.to_owned(), self.region(other)?.to_owned()];
        }
        Ok(link)
    }

    /// Jitter as a share of the delay: as it is written, or from a time.
    fn jitter(&self, value: &Value<'_>, delay_us: u64) -> Result<u64, Problem> {
        if let Ok(share) = read::share_ppm(value) {
            return Ok(share / 10_000);
        }
        let time = read::time_us(value);
        let time =
            time.map_err(|_| Problem::at(value, "jitter is a share of the delay, like 10%, or a time, like 5ms"))?;
        Ok((time * 100).div_ceil(delay_us.max(1)).min(1_000))
    }

    /// The name of a region that there is.
    fn region<'v>(&self, value: &'v Value<'v>) -> Result<&'v str, Problem> {
        let name = read::text(value)?;
        if self.regions.iter().any(|region| region.name == name) {
            return Ok(name);
        }
        Err(Problem::at(value, self.unknown("region", name, &[])))
    }

    fn unknown(&self, what: &str, name: &str, more: &[String]) -> String {
        let known: Vec<&str> =
            self.regions.iter().map(|region| region.name.as_str()).chain(more.iter().map(String::as_str)).collect();
        format!(
            "there is no {what} `{name}`{}; there are {}",
            read::did_you_mean(name, known.iter().copied()),
            known.join(", ")
        )
    }

    /// The nodes that a name stands for: of a region, or one.
    pub(super) fn named(&self, value: &Value<'_>) -> Result<Vec<usize>, Problem> {
        let name = read::text(value)?;
        let nodes = self.nodes();
        let found: Vec<usize> = nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.region == name || node.name == name)
            .map(|(index, _)| index)
            .collect();
        if found.is_empty() {
            let names: Vec<String> = nodes.into_iter().map(|node| node.name).collect();
            return Err(Problem::at(value, self.unknown("region or node", name, &names)));
        }
        Ok(found)
    }

    /// The nodes that a name or a list of names stands for.
    pub(super) fn group(&self, value: &Value<'_>) -> Result<Vec<usize>, Problem> {
        if value.get_ref().as_str().is_some() {
            return self.named(value);
        }
        let mut all = Vec::new();
        for value in read::list(value, "a region or node, like \"eu\" or \"eu-1\", or a list of those")? {
            all.extend(self.named(value)?);
        }
        Ok(all)
    }

    pub(super) fn nodes(&self) -> Vec<NodePlan> {
        let of = |region: &Region| {
            let node = |index: usize| NodePlan {
                name: format!("{}-{}", region.name, index + 1),
                region: region.name.clone(),
                zone: format!("{}{}", region.name, index % region.zones),
                clock_offset_ms: 0,
                starts_at_ms: 0,
                release: Release::default(),
            };
            (0..region.nodes).map(node).collect::<Vec<_>>()
        };
        self.regions.iter().flat_map(of).collect()
    }

    pub(super) fn links(&self) -> LinkPlan {
        let mut between: Vec<RegionLink> = self.between.clone();
        for (index, one) in self.regions.iter().enumerate() {
            for other in &self.regions[index..] {
                let usual = if one.name == other.name { &self.near } else { &self.far };
                if !between.iter().any(|link| link.joins(&one.name, &other.name)) {
                    between.push(RegionLink { between: [one.name.clone(), other.name.clone()], ..usual.clone() });
                }
            }
        }
        LinkPlan {
            near_us: self.near.delay_us,
            far_us: self.far.delay_us,
            jitter_percent: 0,
            loss_permille: 0,
            between,
        }
    }

    pub(super) fn slowest_rtt_us(&self) -> u64 {
        self.links().between.iter().map(|link| 2 * link.delay_us).max().unwrap_or(0)
    }
}

fn region(name: &str, value: &Value<'_>) -> Result<Region, Problem> {
    let table = Table::of(value, "eu = { nodes = 3 }")?;
    table.only(&["nodes", "zones"], "a region")?;
    let count = table.must("nodes", "a region has nodes, such as nodes = 3")?;
    let nodes = read::some(count, NODES_MAX, &format!("nodes in region {name}"))?;
    let zones = table.get("zones").map_or(Ok(nodes), |zones| read::some(zones, NODES_MAX, "zones"))?;
    if let Some(value) = table.get("zones").filter(|_| zones > nodes) {
        return Err(Problem::at(
            value,
            format!("{zones} zones need at least as many nodes, and region {name} has {nodes}"),
        ));
    }
    Ok(Region { name: name.to_owned(), nodes, zones })
}

fn usual(delay_us: u64) -> RegionLink {
    RegionLink { between: [String::new(), String::new()], delay_us, jitter_percent: 0, loss_ppm: 0, rate_kbit: None }
}
