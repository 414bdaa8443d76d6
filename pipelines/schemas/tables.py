"""Every table of a cluster's store: columns with doc and unit, key, partitioning.

Belongs here: the one declaration of each column. Does not belong here: reading and writing
(pipelines.connectors.store).
"""

from dataclasses import dataclass

import pyarrow as pa

from pipelines.schemas.contracts import arrow_fields, contract
from pipelines.schemas.streams import STREAMS, Stream

UTC_US = pa.timestamp("us", "UTC")


def column(name: str, kind: pa.DataType, doc: str, unit: str = "none", *, nullable: bool = True) -> pa.Field:
    """Declare a column: what it means, its unit, whether null can occur."""
    return pa.field(name, kind, nullable=nullable, metadata={"doc": doc, "unit": unit})


@dataclass(frozen=True)
class Table:
    """A Delta table.

    Args:
        name: its folder in the cluster's store.
        schema: Arrow schema; a field's metadata holds doc and unit.
        key: the columns that identify a row and sort its canonical export.
        partition_by: Delta partition columns.
    """

    name: str
    schema: pa.Schema
    key: tuple[str, ...]
    partition_by: tuple[str, ...] = ()


DAY = column("day", pa.date32(), "Local date of the event in the factory's zone.", "date")
BUCKET = column("bucket", pa.int32(), "Stable hash of the factory modulo the store's buckets.")
FACTORY = column("factory", pa.string(), "Id of the factory.")
TOPIC = column("topic", pa.string(), "Kafka topic.")
INCARNATION = column("incarnation", pa.string(), "The broker's id of the topic.")
PARTITION = column("partition", pa.int32(), "Kafka partition.")
OFFSET = column("offset", pa.int64(), "Kafka offset of the message.")
INDEX = column("index", pa.int32(), "Position of the row within its message; 0 if a message is one row.")
SCHEMA_ID = column("schema_id", pa.int32(), "Id of the writer's schema in the registry.")
RECORD_TIMESTAMP = column(
    "record_timestamp", UTC_US, "Kafka's timestamp of the record: when it was sent.", "us"
)
PROVENANCE = (TOPIC, INCARNATION, PARTITION, OFFSET, INDEX, SCHEMA_ID, RECORD_TIMESTAMP)
ROW_IDENTITY = ("topic", "incarnation", "partition", "offset", "index")
KNOWN_AT = column("known_at", UTC_US, "Nominal time of the night that wrote the row.", "us")


def row_fields(stream: Stream, record: dict[str, object]) -> list[pa.Field]:
    """Return a stream's columns as rows carry them: the items of its array field unfolded."""
    fields: list[pa.Field] = []
    for field in arrow_fields(record):
        if field.name == stream.rows:
            fields.extend(field.type.value_type)
        else:
            fields.append(field)
    return fields


def raw_table(stream: Stream, record: dict[str, object] | None = None) -> Table:
    """Declare a stream's raw table from its contract (or from a wider version of it)."""
    fields = row_fields(stream, contract(stream.contract) if record is None else record)
    return Table(
        stream.table, pa.schema([DAY, BUCKET, *fields, *PROVENANCE]), ROW_IDENTITY, ("day", "bucket")
    )


_FACT_STATE = (
    column(
        "status", pa.string(), "provisional: its day may still change by itself; final: only by restatement."
    ),
    column("version", pa.int32(), "Version of the factory's day: 1, and one more with each restatement."),
    column("profile_version", pa.string(), "Digest of the profile that was used."),
    KNOWN_AT,
)
_COVERAGE = column("coverage", pa.float64(), "Share of its time that was measured.", "1")
_QUALITY = column(
    "quality", pa.string(), "Worst of its parts: measured, interpolated, estimated, suspect; null: nothing."
)

FACTS_ENERGY = Table(
    "facts_energy",
    pa.schema([
        DAY, BUCKET, FACTORY,
        column("meter", pa.string(), "Id of the meter."),
        column("carrier", pa.string(), "Energy carrier or medium."),
        column("allocation", pa.string(), "hour: an hour of the factory's day; unallocated: a gap too long to spread."),
        column("start", UTC_US, "Start of the hour or gap.", "us"),
        column("end", UTC_US, "End of the hour or gap (exclusive).", "us"),
        column("quantity", pa.float64(), "Amount in [start, end), less what flowed back; null: not known.", "column unit"),
        column("exported", pa.float64(), "What of it flowed back, positive: import is quantity + exported; null: not known, or not a bidirectional meter.", "column unit"),
        column("unit", pa.string(), "Unit of quantity: the carrier's canonical unit (electricity: kWh)."),
        _COVERAGE, _QUALITY, *_FACT_STATE,
    ]),
    ("factory", "meter", "carrier", "allocation", "start", "end"),
    ("day", "bucket"),
)  # fmt: skip

FACTS_MACHINE = Table(
    "facts_machine",
    pa.schema([
        DAY, BUCKET, FACTORY,
        column("machine", pa.string(), "Id of the machine."),
        column("product", pa.string(), "Id of the product of the quantities; * for the machine's times."),
        column("start", UTC_US, "Start of the hour.", "us"),
        column("end", UTC_US, "End of the hour (exclusive).", "us"),
        *(
            column(name, pa.float64(), doc, "s")
            for name, doc in (
                ("pbt_s", "Planned busy time (from the shift calendar); null on product rows."),
                ("apt_s", "Actual production time; null on product rows."),
                ("asut_s", "Actual set-up time; null on product rows."),
                ("adet_s", "Delay time; null on product rows."),
                ("adot_s", "Down time; null on product rows."),
                ("pmt_s", "Preventive maintenance time; null on product rows."),
                ("cmt_s", "Corrective maintenance time; null on product rows."),
                ("off_s", "Time known to be not planned; null on product rows."),
                ("unknown_s", "Planned time with no event; null on product rows."),
            )
        ),
        column("failures", pa.int64(), "Entries into down, stopped or repair; null on product rows.", "1"),
        *(
            column(name, pa.float64(), doc, "product units")
            for name, doc in (
                ("pq", "Produced quantity; null on time rows, or where not counted."),
                ("gq", "Good quantity; null on time rows, or where not counted."),
                ("sq", "Scrap quantity; null on time rows, or where not counted."),
                ("rq", "Rework quantity; null where not counted."),
                ("ip", "Inspected parts; null where not counted."),
                ("gp", "Good parts first time; null where not counted."),
            )
        ),
        column("pru_s", pa.float64(), "Planned run time per unit of the profile; null: not given.", "s per unit"),
        _COVERAGE, _QUALITY, *_FACT_STATE,
    ]),
    ("factory", "machine", "product", "start"),
    ("day", "bucket"),
)  # fmt: skip

FACTS_OPERATIONS = Table(
    "facts_operations",
    pa.schema([
        DAY, BUCKET, FACTORY,
        column("product", pa.string(), "Id of the product; * where the element is not of one product."),
        column("element", pa.string(), "Id of the element (pipelines/reference/kpi_elements.csv)."),
        column("start", UTC_US, "Start of the factory's local day.", "us"),
        column("end", UTC_US, "End of the factory's local day (exclusive).", "us"),
        column("quantity", pa.float64(), "The element's amount of the day; null: not known.", "column unit"),
        column("unit", pa.string(), "Unit of quantity."),
        _COVERAGE, _QUALITY, *_FACT_STATE,
    ]),
    ("factory", "product", "element", "start"),
    ("day", "bucket"),
)  # fmt: skip

FACTS_HISTORY = Table(
    "facts_history",
    pa.schema([
        DAY, BUCKET, FACTORY,
        column("version", pa.int32(), "The version that the factory's day got."),
        column("cause", pa.string(), "late_data, meter_correction, profile_change, method_change, suspect_accepted, suspect_revoked."),
        column("table", pa.string(), "The fact table whose row changed."),
        column("key", pa.string(), "The row's key as canonical JSON."),
        column("old_row", pa.string(), "The row before, as canonical JSON; null: there was none."),
        column("new_row", pa.string(), "The row after, as canonical JSON; null: it is gone."),
        KNOWN_AT,
    ]),
    ("factory", "day", "version", "table", "key"),
    ("day", "bucket"),
)  # fmt: skip

ACCEPTED_SUSPECTS = Table(
    "accepted_suspects",
    pa.schema([
        column("sequence", pa.int64(), "Place among the decisions, from 1; a later one overrules an earlier one of the same time."),
        column("decision", pa.string(), "accept: what is suspect there counts as what it would be; revoke: no longer."),
        FACTORY,
        column("meter", pa.string(), "Id of the meter."),
        column("start", UTC_US, "First instant.", "us"),
        column("end", UTC_US, "First instant after it.", "us"),
        column("reason", pa.string(), "Why, in the words of who decided."),
        column("by", pa.string(), "Who decided; null: not said."),
        column("known_at", UTC_US, "Nominal time of the night before the decision.", "us"),
    ]),
    ("sequence",),
)  # fmt: skip

DEAD_LETTERS = Table(
    "dead_letters",
    pa.schema([
        TOPIC, INCARNATION, PARTITION, OFFSET, RECORD_TIMESTAMP,
        column("stage", pa.string(), "Where it failed: decode or check."),
        column("reason", pa.string(), "Reason code."),
        column("detail", pa.string(), "What exactly was wrong, with the field; never a value of a member."),
        column("schema_id", pa.int32(), "Id that the message names; null: it names none."),
        column("rows", pa.list_(pa.int32()), "Rows of the message that failed; null: the whole message."),
        column("key", pa.binary(), "The record's key."),
        column("value", pa.binary(), "The record's original bytes."),
        KNOWN_AT,
    ]),
    ("topic", "incarnation", "partition", "offset", "reason"),
)  # fmt: skip

GAPS = Table(
    "gaps",
    pa.schema([
        TOPIC, INCARNATION, PARTITION,
        column("first_offset", pa.int64(), "First offset that could not be read."),
        column("end_offset", pa.int64(), "First offset after the gap; null: unknown (topic recreated)."),
        column("reason", pa.string(), "offsets_deleted or topic_recreated."),
        column("previous_incarnation", pa.string(), "The topic's id before it was recreated; else null."),
        KNOWN_AT,
    ]),
    ("topic", "incarnation", "partition", "first_offset", "reason"),
)  # fmt: skip

EMISSIONS = Table(
    "emissions",
    pa.schema([
        DAY, BUCKET, FACTORY,
        column("carrier", pa.string(), "Energy carrier."),
        column("scope", pa.int32(), "GHG Protocol scope."),
        column("method", pa.string(), "location (market follows with the carbon ledger)."),
        column("allocation", pa.string(), "hour or unallocated, as in facts_energy."),
        column("start", UTC_US, "Start of the hour or gap.", "us"),
        column("end", UTC_US, "End of the hour or gap (exclusive).", "us"),
        column("energy_kwh", pa.float64(), "Electricity drawn from the grid; null: not metered.", "kWh"),
        column("factor_id", pa.string(), "Row of the factor table; null: none."),
        column("factor_kg_per_kwh", pa.float64(), "Its value.", "kg CO2e/kWh"),
        column("factor_match", pa.string(), "exact, fallback (carried forward) or none."),
        column("gwp_set", pa.string(), "GWP set of the factor."),
        column("co2e_kg", pa.float64(), "Emissions; null: energy or factor not known.", "kg CO2e"),
        column("provisional", pa.bool_(), "Whether the factor is carried forward or the day is not final."),
        column("reason", pa.string(), "Why co2e_kg is null or the factor a fallback; else null."),
        _COVERAGE, _QUALITY, KNOWN_AT,
    ]),
    ("factory", "carrier", "scope", "method", "allocation", "start"),
    ("day", "bucket"),
)  # fmt: skip

ELEMENTS_DAILY = Table(
    "elements_daily",
    pa.schema([
        DAY, BUCKET, FACTORY,
        column("machine", pa.string(), "Id of the machine; * for what is the factory's."),
        column("product", pa.string(), "Id of the product; * for what is of no product."),
        column("element", pa.string(), "Id of the element (pipelines/reference/kpi_elements.csv)."),
        column("quantity", pa.float64(), "The day's sum of what is known; null: not known, see reason.", "column unit"),
        column("unit", pa.string(), "Unit of quantity."),
        column("coverage", pa.float64(), "Share of weight_s that was measured.", "1"),
        _QUALITY,
        column("suspect", pa.bool_(), "Whether something suspect or estimated was left out."),
        column("reason", pa.string(), "Why quantity is null, where more is known than that it is missing; else null."),
        column("weight_s", pa.float64(), "Time that the quantity stands for.", "s"),
        column("status", pa.string(), "provisional or final."),
        column("version", pa.int32(), "Newest version of the facts that it rests on."),
        column("profile_version", pa.string(), "Digest of the profile that was used."),
        KNOWN_AT,
    ]),
    ("factory", "machine", "product", "element", "day"),
    ("day", "bucket"),
)  # fmt: skip

KPIS = Table(
    "kpis",
    pa.schema([
        column("day", pa.date32(), "First local date of the period.", "date"),
        column("period", pa.string(), "day, month or rolling12."),
        column("level", pa.string(), "machine, factory, peer (a member's factories of one process) or member."),
        column("subject", pa.string(), "Id of the factory or member; of a machine: factory/machine; of a peer: member/process."),
        column("kpi", pa.string(), "Id of the KPI or element."),
        column("definition_version", pa.string(), "Version of the definition."),
        column("numerator", pa.float64(), "Product of the sums above the line, scaled; null: not known.", "numerator unit"),
        column("denominator", pa.float64(), "Product of the sums below the line; null: not known, or a total.", "denominator unit"),
        column("value", pa.float64(), "numerator / denominator, or the total itself; null: see reason.", "column unit"),
        column("unit", pa.string(), "Unit of value."),
        column("reason", pa.string(), "Why value is null, or what marks a value that stays (above_one, suspect_excluded): codes joined by ;."),
        _COVERAGE,
        column("product_class", pa.string(), "What it may be compared with; null: not of one class."),
        column("status", pa.string(), "provisional or final."),
        column("sums", pa.list_(pa.float64()), "The formula's sums in its order, without constants, over the units that have them all: what roll-ups add; null: no unit has them.", "by formula"),
        column("weight", pa.float64(), "Time that coverage is weighted by, of all units (planned time of machines, else the time that elements stand for).", "s"),
        column("covered", pa.float64(), "weight x coverage of the units that have all elements.", "s"),
        column("basis", pa.float64(), "Of a monthly total of the carbon ledger: the same activities by the factors first used for them, of which the numerator is a multiple that everybody may know; else null.", "numerator unit"),
        KNOWN_AT,
    ]),
    ("day", "period", "level", "subject", "kpi", "definition_version"),
    ("day",),
)  # fmt: skip

BASELINES = Table(
    "baselines",
    pa.schema([
        column("level", pa.string(), "machine, factory or member."),
        column("subject", pa.string(), "Id of the factory or member; of a machine: factory/machine."),
        column("kpi", pa.string(), "Id of the KPI."),
        column("definition_version", pa.string(), "Version of the definition: only figures of the same version are compared."),
        column("revision", pa.int32(), "1, and one more each time the subject's baseline is set anew; the highest holds."),
        column("period_start", pa.date32(), "First local date of the baseline period.", "date"),
        column("period_end", pa.date32(), "First local date after it.", "date"),
        column("sums", pa.list_(pa.float64()), "The formula's sums over the period, in its order; null: nothing known.", "element units"),
        column("weight", pa.float64(), "What coverage is weighted by, over the period.", "as in kpis"),
        column("covered", pa.float64(), "How much of weight was measured.", "as in kpis"),
        column("value", pa.float64(), "The KPI of the period; null: see reason.", "column unit"),
        column("unit", pa.string(), "Unit of value."),
        column("reason", pa.string(), "Why value is null, or what marks a value that stays: codes joined by ;."),
        column("coverage", pa.float64(), "covered / weight; null: there was nothing to cover.", "1"),
        column("note", pa.string(), "Why it was set, in the words of who did; null: nothing was said."),
        column("set_at", UTC_US, "Nominal time of the night, or clock of the command, that set it.", "us"),
    ]),
    ("level", "subject", "kpi", "definition_version", "revision"),
)  # fmt: skip

BASELINE_COSTS = Table(
    "baseline_costs",
    pa.schema([
        FACTORY,
        column("product", pa.string(), "Id of the product."),
        column("revision", pa.int32(), "1, and one more each time the factory's unit costs are set anew; the highest holds."),
        column("period_start", pa.date32(), "First local date of the baseline period: from it on the unit cost is used.", "date"),
        column("period_end", pa.date32(), "First local date after it.", "date"),
        column("cost_krw", pa.float64(), "Cost of the product in the period, with its share of what is of no product; null: not known.", "KRW"),
        column("pq", pa.float64(), "Its quantity on the days whose cost is known; null: not known.", "unit"),
        column("coverage", pa.float64(), "Share of the period whose cost is known.", "1"),
        column("baseline_unit_cost_krw", pa.float64(), "cost_krw / pq; null: see reason.", "KRW/unit"),
        column("reason", pa.string(), "Why there is no unit cost; else null."),
        column("set_at", UTC_US, "Nominal time of the night, or clock of the command, that set it.", "us"),
    ]),
    ("factory", "product", "revision"),
)  # fmt: skip

RELEASES = Table(
    "releases",
    pa.schema([
        column("sequence", pa.int64(), "Place in the ledger, from 1, without gaps."),
        column("figure_id", pa.string(), "<cluster>/<breakdown>/<group>/<period>/<period_start>/<kpi>@<version>; of a trend with /trend, of a named reference with /named/<member> behind it."),
        column("revision", pa.int32(), "1, and one more with each change of what is published of the figure."),
        column("cluster", pa.string(), "Id of the cluster."),
        column("breakdown", pa.string(), "cluster (everybody), or traits joined by -: process, region, size, maturity."),
        column("group", pa.string(), "Group of the breakdown, one code for each trait, joined by +; * for everybody."),
        column("period", pa.string(), "day, month or rolling12."),
        column("period_start", pa.date32(), "First local date of the period.", "date"),
        column("period_end", pa.date32(), "First local date after it.", "date"),
        column("kpi", pa.string(), "Id of the KPI or element."),
        column("definition_version", pa.string(), "Version of the definition."),
        column("statistic", pa.string(), "total, count, ratio_of_sums, order_statistic, trend or named_reference."),
        column("status", pa.string(), "published, withheld, not_estimable or insufficient_coverage."),
        column("value", pa.float64(), "What was published; null unless status is published.", "column unit"),
        column("unit", pa.string(), "Unit of value."),
        column("grid_step", pa.float64(), "Step of the public grid that value is rounded to; null: not rounded.", "column unit"),
        column("contributors", pa.string(), "fewer than 10 or 10+."),
        column("coverage", pa.float64(), "Share of the group's time that was measured, to whole per cents; null where withheld.", "1"),
        column("provisional", pa.bool_(), "Whether the period is not final or a factor is carried forward."),
        column("interval_low", pa.float64(), "Lower end of the 95 % interval of the centre, rounded outward to the grid; null: there is none.", "column unit"),
        column("interval_high", pa.float64(), "Upper end of it.", "column unit"),
        column("p25", pa.float64(), "First quartile over holdings, rounded to the grid; null: too few holdings.", "column unit"),
        column("p25_low", pa.float64(), "Lower end of its interval.", "column unit"),
        column("p25_high", pa.float64(), "Upper end of it.", "column unit"),
        column("p33", pa.float64(), "First third over holdings, rounded to the grid; null: too few holdings.", "column unit"),
        column("p67", pa.float64(), "Second third over holdings, rounded to the grid; null: too few holdings.", "column unit"),
        column("p75", pa.float64(), "Third quartile over holdings, rounded to the grid; null: too few holdings.", "column unit"),
        column("p75_low", pa.float64(), "Lower end of its interval.", "column unit"),
        column("p75_high", pa.float64(), "Upper end of it.", "column unit"),
        column("previous_value", pa.float64(), "Of a trend: the value of the same factories in the period before; null: no trend.", "column unit"),
        column("reference_member", pa.string(), "Member whose own figure it is, named by its consent; null: no named reference."),
        KNOWN_AT,
        column("previous_sha256", pa.string(), "sha256 of the entry before; of the first: empty."),
        column("sha256", pa.string(), "sha256 of previous_sha256 and this entry's canonical JSON."),
    ]),
    ("sequence",),
)  # fmt: skip

RELEASE_INPUTS = Table(
    "release_inputs",
    pa.schema([
        column("sequence", pa.int64(), "Place among the sealed inputs, from 1, without gaps."),
        KNOWN_AT,
        column("figure_id", pa.string(), "As in releases."),
        column("head", pa.string(), "sha256 of the ledger's last entry after the night; a row whose head is no entry isn't in force: its night died."),
        column("sealed", pa.binary(), "Inputs of the decision as canonical JSON, encrypted (AES-SIV); bound to cluster, figure_id and known_at."),
        column("key_id", pa.string(), "Which key opens it: as `digital-cluster ledger key` named it."),
    ]),
    ("sequence",),
)  # fmt: skip

LEDGER_HEADS = Table(
    "ledger_heads",
    pa.schema([
        column("sequence", pa.int64(), "Place of the ledger's last entry when the head was signed."),
        column("sha256", pa.string(), "Its sha256."),
        KNOWN_AT,
        column("signature", pa.binary(), "Ed25519 signature of `<sequence>:<sha256>`."),
        column("public_key", pa.binary(), "What checks it; derived from the ledger's key."),
    ]),
    ("sequence", "public_key"),
)  # fmt: skip

SOURCE_DAYS = Table(
    "source_days",
    pa.schema([
        DAY, BUCKET, FACTORY,
        column("stream", pa.string(), "Stream."),
        column("source", pa.string(), "Id of the meter or machine; * where the factory itself tells."),
        column("events", pa.int64(), "Distinct instants of its events on the day.", "1"),
        column("first_event", UTC_US, "Its first event of the day.", "us"),
        column("last_event", UTC_US, "Its last event of the day.", "us"),
        column("cadence_s", pa.float64(), "Commonest step between its events; null: fewer than two.", "s"),
        KNOWN_AT,
    ]),
    ("factory", "day", "stream", "source"),
    ("day", "bucket"),
)  # fmt: skip

LIVENESS = Table(
    "liveness",
    pa.schema([
        DAY, FACTORY,
        column("stream", pa.string(), "Stream."),
        column("source", pa.string(), "Id of the meter or machine; * for the stream as a whole."),
        column("last_event", UTC_US, "Its last event up to the day's end; null: none in the look-back.", "us"),
        column("expected", pa.float64(), "Events that the day should have had; null: nothing tells.", "1"),
        column("received", pa.int64(), "Distinct events of the day.", "1"),
        column("share", pa.float64(), "received / expected, at most 1; null: expected is not known.", "1"),
        column("reasons", pa.string(), "Codes of what there is to ask, sorted, joined by ;. Null: nothing."),
        column("score", pa.int64(), "Rank, higher first: weights of the reasons, and up to 10 for missing events.", "1"),
        column("evidence", pa.string(), "Canonical JSON by reason, for the member's circle and the hub's engineer only; null with reasons."),
        KNOWN_AT,
    ]),
    ("day", "factory", "stream", "source"),
    ("day",),
)  # fmt: skip

FACTOR_SETS = Table(
    "factor_sets",
    pa.schema([
        column("factor_set", pa.string(), "Digest of content."),
        column("content", pa.string(), "Canonical JSON: every row of emission_factors, fuel_properties, gwp, parameters and units that was known, as texts."),
        column("own", pa.string(), "Canonical JSON: rows of emission_factors and fuel_properties that restatements added."),
        KNOWN_AT,
    ]),
    ("factor_set",),
)  # fmt: skip

FACTOR_CHOICES = Table(
    "factor_choices",
    pa.schema([
        column("sequence", pa.int64(), "Place among the choices, from 1; of a month the highest holds."),
        column("month", pa.date32(), "First local date of the month whose activities it is for.", "date"),
        column("factor_set", pa.string(), "Which factors (table factor_sets)."),
        column("purpose", pa.string(), "disclosure, k_ets, cbam or inventory."),
        column("gwp_set", pa.string(), "GWP set by which gases are added."),
        column("accepted_instruments", pa.string(), "Market instruments accepted beside certificates, joined by ;."),
        column("note", pa.string(), "Why it was chosen, in the words of who restated; null: a night chose what was known."),
        KNOWN_AT,
    ]),
    ("sequence",),
)  # fmt: skip

_MONTH = column("month", pa.date32(), "First local date of the month.", "date")
_ACTIVITY_ID = column(
    "activity_id", pa.string(), "Id in its factory and month: meter-<carrier>, or as the factory names it."
)
_MASSES = (
    column("co2_kg", pa.float64(), "Mass of CO2; null: not told apart, or not known.", "kg"),
    column("ch4_kg", pa.float64(), "Mass of CH4; null likewise.", "kg"),
    column("n2o_kg", pa.float64(), "Mass of N2O; null likewise.", "kg"),
    column("other_gases", pa.string(), "Masses of other gases [kg] as canonical JSON; null: none.", "kg"),
    column("co2_biogenic_kg", pa.float64(), "CO2 of biomass, never in co2e_kg.", "kg"),
    column("co2e_kg", pa.float64(), "Emissions; null: not known, reason says why.", "kg CO2e"),
)
_PERCENT = (
    column("uncertainty_low_pct", pa.float64(), "95 % distance below; null: not known.", "%"),
    column("uncertainty_high_pct", pa.float64(), "95 % distance above; null: not known.", "%"),
)

ACTIVITIES = Table(
    "activities",
    pa.schema([
        _MONTH, FACTORY, _ACTIVITY_ID,
        column("version", pa.int32(), "1, and one more each time it changes; the highest holds."),
        column("sequence", pa.int64(), "Number of the batch that added the row: statements name the last one that they knew."),
        column("source", pa.string(), "meter (gross import, by carrier), stream (as the factory told it) or estimate (from peers)."),
        column("activity", pa.string(), "What it is, as the factor tables name it."),
        column("flow", pa.string(), "used, leaked, charged, recovered, bought, sold or contract."),
        column("amount", pa.float64(), "Amount in [start, end); null: not known.", "column unit"),
        column("unit", pa.string(), "Unit of amount."),
        column("start", pa.date32(), "First local date; of a meter the first one with facts.", "date"),
        column("end", pa.date32(), "First local date after it.", "date"),
        column("geography", pa.string(), "Geography of the factor."),
        column("counterpart", pa.string(), "Factory that it was bought from or sold to; null: none."),
        column("transfer_id", pa.string(), "Id of the sale, the same on both sides; null: none."),
        column("supplier_kg_per_unit", pa.float64(), "Emissions of one unit, as the supplier states them; null: not stated.", "kg CO2e per unit"),
        column("instrument", pa.string(), "rec, ppa, green_premium ...; null: none."),
        column("certificate_id", pa.string(), "Id of the certificate; null: none."),
        column("claimed_kwh", pa.float64(), "Electricity claimed by the instrument; null: none.", "kWh"),
        column("claim_start", pa.date32(), "First date for which the instrument was issued; null: the activity's.", "date"),
        column("claim_end", pa.date32(), "First date after it; null: the activity's.", "date"),
        column("market", pa.string(), "Market of the instrument; null: the activity's."),
        column("instrument_kg_per_kwh", pa.float64(), "Factor of the instrument; null: 0.", "kg CO2e/kWh"),
        column("owner", pa.string(), "Member that owns the instrument; null: the factory's own."),
        column("uncertainty_pct", pa.float64(), "95 % half-width of the amount; null: not stated.", "%"),
        column("uncertainty_low_pct", pa.float64(), "95 % distance below, where it is another than above; null: it isn't.", "%"),
        column("factor_uncertainty_pct", pa.float64(), "95 % half-width of the factor; null: that of the tables.", "%"),
        column("tier", pa.int32(), "Tier of the emissions trading scheme; null: not stated."),
        column("temperature_c", pa.float64(), "Of a metered gas; null: not stated.", "degC"),
        column("pressure_kpa", pa.float64(), "Absolute; null: not stated.", "kPa"),
        column("coverage", pa.float64(), "Share of the metered days' hours that was measured; null: not of a meter.", "1"),
        _QUALITY,
        column("estimated_share", pa.float64(), "Share of the amount that isn't measured: 1 of an estimate; null: as told, or not known.", "1"),
        column("status", pa.string(), "provisional: a day of it is not final; final."),
        column("withdrawn", pa.bool_(), "Whether its source no longer has it."),
        column("reason", pa.string(), "split_by_days: its part of a longer period; peer_estimate:<figure>@<revision>: from what; why nothing is estimated; else null."),
        KNOWN_AT,
    ]),
    ("factory", "month", "activity_id", "version"),
)  # fmt: skip

EMISSION_LINES = Table(
    "emission_lines",
    pa.schema([
        _MONTH, FACTORY, _ACTIVITY_ID,
        column("method", pa.string(), "location or market for scope 2; - else."),
        column("version", pa.int32(), "1, and one more each time the line changes; the highest holds."),
        column("activity_version", pa.int32(), "Version of the activity that it was computed from."),
        column("scope", pa.string(), "1, 2, 3; -: none by itself, or not known."),
        *_MASSES,
        column("factor_id", pa.string(), "All rows used, joined by ;; null: none."),
        column("factor_match", pa.string(), "exact, fallback or none; null: it needs no factor."),
        column("factor_set", pa.string(), "Which factors were known (table factor_sets)."),
        column("purpose", pa.string(), "What the factors were chosen for."),
        column("gwp_set", pa.string(), "By which gases were added, or that of a composite row; null: no factor."),
        *_PERCENT,
        column("provisional", pa.bool_(), "Whether a newer factor may replace it, or a day of it is not final."),
        column("tier", pa.int32(), "Tier of the emissions trading scheme; null: not stated."),
        _QUALITY,
        column("transfer", pa.string(), "sold or bought, of a transfer between factories; else null."),
        column("matched", pa.bool_(), "Whether the other side says the same; null: no transfer."),
        column("reason", pa.string(), "Codes joined by ;; null: nothing to say."),
        KNOWN_AT,
    ]),
    ("factory", "month", "activity_id", "method", "version"),
)  # fmt: skip

EMISSION_STATEMENTS = Table(
    "emission_statements",
    pa.schema([
        column("statement_id", pa.string(), "<cluster>/<level>/<subject>/<period>/<first date>."),
        column("version", pa.int32(), "1, and one more with each change; older ones stay."),
        column("level", pa.string(), "factory, member or cluster."),
        column("subject", pa.string(), "Id of the factory, member or cluster."),
        column("period", pa.string(), "month or year."),
        column("period_start", pa.date32(), "First local date of the period.", "date"),
        column("period_end", pa.date32(), "First local date after it.", "date"),
        column("scope", pa.string(), "1, 2, 1+2; transfers: what factories of the boundary sold each other, in no other sum."),
        column("method", pa.string(), "location or market; - of scope 1."),
        *_MASSES,
        column("gwp_set", pa.string(), "By which gases were added; sums of different sets are rows of their own."),
        *_PERCENT,
        column("estimated_co2e_kg", pa.float64(), "Of co2e_kg what is estimated from peers; the rest is metered or told. Null: nothing is.", "kg CO2e"),
        column("activities", pa.int32(), "Activities in the sum.", "1"),
        column("coverage", pa.float64(), "Share of the metered days' hours that was measured, weighted by days; null: no meter.", "1"),
        column("estimated_share", pa.float64(), "Share of the emissions (location) whose amount isn't measured; null: nothing emitted.", "1"),
        column("provisional", pa.bool_(), "Whether it may still change by itself: open days, carried factors, unmatched transfers."),
        column("reason", pa.string(), "Codes joined by ;: incomplete:<n>, uncertainty_covers:<share>, unmatched_transfer:<n>, factory_without_activities:<n>; null: nothing to say."),
        column("purpose", pa.string(), "What the factors were chosen for, joined by ;."),
        column("boundary", pa.string(), "Canonical JSON: consolidation approach, factories, exclusions with reasons, leased sites."),
        column("ledger_sequence", pa.int64(), "Last batch of the table activities that it knew."),
        column("choice_sequence", pa.int64(), "Last row of factor_choices that it knew."),
        column("cause", pa.string(), "first, night, restatement, or causes of facts_history, joined by ;."),
        column("note", pa.string(), "What was restated and why, in the words of who did; null: a night made it."),
        KNOWN_AT,
    ]),
    ("statement_id", "version", "scope", "method", "gwp_set"),
)  # fmt: skip

RESTATEMENTS = Table(
    "restatements",
    pa.schema([
        column("statement_id", pa.string(), "Which statement."),
        column("version", pa.int32(), "The version that it got."),
        column("scope", pa.string(), "1, 2 or 1+2."),
        column("method", pa.string(), "location or market; - of scope 1."),
        column("gwp_set", pa.string(), "As the new version names it."),
        column("step", pa.int32(), "Place in the chain, from 1: boundary, activity, method, ncv_carbon, factor, gwp."),
        column("cause", pa.string(), "Name of the step."),
        column("before_kg", pa.float64(), "Before the step: of the first one what the version before said; null: nothing.", "kg CO2e"),
        column("after_kg", pa.float64(), "After it, all earlier ones applied: the next one's before_kg; null: nothing.", "kg CO2e"),
        column("significant", pa.bool_(), "Whether the whole change of the sum reaches the cluster's threshold."),
        KNOWN_AT,
    ]),
    ("statement_id", "version", "scope", "method", "gwp_set", "step"),
)  # fmt: skip

FACTS: tuple[Table, ...] = (FACTS_ENERGY, FACTS_MACHINE, FACTS_OPERATIONS)
RAW: dict[str, Table] = {s.name: raw_table(s) for s in STREAMS.values()}
DERIVED: dict[str, Table] = {
    t.name: t
    for t in (
        *FACTS,
        FACTS_HISTORY,
        ACCEPTED_SUSPECTS,
        DEAD_LETTERS,
        GAPS,
        ACTIVITIES,
        FACTOR_SETS,
        FACTOR_CHOICES,
        EMISSIONS,
        EMISSION_LINES,
        EMISSION_STATEMENTS,
        RESTATEMENTS,
        ELEMENTS_DAILY,
        KPIS,
        BASELINES,
        BASELINE_COSTS,
        RELEASES,
        RELEASE_INPUTS,
        LEDGER_HEADS,
        SOURCE_DAYS,
        LIVENESS,
    )
}
TABLES: dict[str, Table] = {**{t.name: t for t in RAW.values()}, **DERIVED}
