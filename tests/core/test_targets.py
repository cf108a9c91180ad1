"""The targets table: what the shipped file says, what a broken one is told, and which row judges a task."""

from pathlib import Path

import msgspec
import pytest

from core.targets import Kind, Page, Problem, QueueTarget, TargetClass, TargetsError, TargetTable, parse_targets

SHIPPED = parse_targets((Path(__file__).parents[2] / "queue_targets.csv").read_text(encoding="utf-8"))
HEADER = (
    "queue,kind,target_class,target_seconds,objective,io_bound,cadence,owner,page,page_after_seconds,"
    "scale_to_zero,serial_tasks,broker,runbook_url,purpose,typical_duration,notes"
)
MANY_KINDS = parse_targets(
    "queue,kind,target_class\n"
    "mail:send_*,task,hours\n"
    "mail:*,task,minutes\n"
    "mail,queue,seconds\n"
    "tenant-*,pattern,minutes\n"
    "tenant-a*,pattern,hours\n"
    "tenant-big,queue,seconds\n"
    "[beat],process,\n"
)


def problems_of(text):
    with pytest.raises(TargetsError) as raised:
        parse_targets(text)
    return raised.value.problems


# The shipped file: CommCare HQ documentation, docs/celery.rst, 2019-03-12.


def test_shipped_rows_and_their_targets_are_the_documented_ones_in_order():
    numbers = [(row.queue, row.target_class, row.target_seconds, row.page) for row in SHIPPED.rows]

    assert numbers == [
        ("send_report_throttled", "hours", 1800, "ticket"),
        ("submission_reprocessing_queue", "hours", 3600, "ticket"),
        ("sumologic_logs_queue", "hours", 3600, "ticket"),
        ("analytics_queue", "minutes", 600, "page"),
        ("reminder_case_update_queue", "minutes", 600, "page"),
        ("reminder_queue", "minutes", 900, "page"),
        ("reminder_rule_queue", "minutes", 600, "page"),
        ("repeat_record_queue", "minutes", 600, "page"),
        ("sms_queue", "minutes", 300, "page"),
        ("async_restore_queue", "seconds", 30, "page"),
        ("case_import_queue", "seconds", 30, "page"),
        ("email_queue", "seconds", 30, "page"),
        ("export_download_queue", "seconds", 30, "page"),
        ("icds_dashboard_reports_queue", "seconds", 30, "page"),
        ("background_queue", None, None, "none"),
        ("case_rule_queue", None, None, "none"),
        ("celery", None, None, "none"),
        ("celery_periodic", None, None, "none"),
        ("icds_aggregation_queue", None, None, "none"),
        ("ils_gateway_sms_queue", None, None, "none"),
        ("logistics_background_queue", None, None, "none"),
        ("logistics_reminder_queue", None, None, "none"),
        ("saved_exports_queue", None, None, "none"),
        ("ucr_indicator_queue", None, None, "none"),
        ("ucr_queue", None, None, "none"),
        ("beat", None, None, "none"),
        ("flower", None, None, "none"),
    ]
    assert SHIPPED.warnings == ()


def test_shipped_header_is_the_fields_of_a_row():
    first_line = (Path(__file__).parents[2] / "queue_targets.csv").read_text(encoding="utf-8").splitlines()[0]

    assert first_line == HEADER == ",".join(QueueTarget.__struct_fields__)


def test_shipped_io_bound_words_are_the_documented_ones():
    assert {row.queue: row.io_bound for row in SHIPPED.rows if row.io_bound is not None} == {
        "submission_reprocessing_queue": False,
        "sumologic_logs_queue": True,
        "analytics_queue": True,
        "reminder_queue": True,
        "sms_queue": True,
        "async_restore_queue": False,
        "email_queue": True,
        "icds_aggregation_queue": True,
        "ucr_indicator_queue": False,
        "ucr_queue": False,
    }


def test_shipped_processes_judge_nothing():
    assert [row.queue for row in SHIPPED.rows if row.kind is Kind.PROCESS] == ["beat", "flower"]
    assert len(SHIPPED.queue_rows) == 25
    assert SHIPPED.find("beat", None) is None


def test_shipped_untracked_queue_says_so():
    row = SHIPPED.find("icds_aggregation_queue", None)

    assert (row.target_seconds, row.notes) == (None, "documented as: do not track")


# Rows that are fine.


def test_every_cell_of_a_full_row_is_read():
    text = (
        f"{HEADER}\n"
        'mail,queue,minutes,90,0.95,no,hourly,team-a,ticket,60,yes,"a.sync; b.sync  c.*",eu,'
        "https://wiki/mail,Letters,seconds,fine\n"
    )

    assert parse_targets(text).rows == (
        QueueTarget(
            queue="mail",
            kind=Kind.QUEUE,
            target_class=TargetClass.MINUTES,
            target_seconds=90.0,
            objective=0.95,
            io_bound=False,
            cadence="hourly",
            owner="team-a",
            page=Page.TICKET,
            page_after_seconds=60.0,
            scale_to_zero=True,
            serial_tasks=("a.sync", "b.sync", "c.*"),
            broker="eu",
            runbook_url="https://wiki/mail",
            purpose="Letters",
            typical_duration="seconds",
            notes="fine",
        ),
    )


def test_a_queue_alone_has_every_default():
    expected = QueueTarget(
        queue="mail",
        kind=Kind.QUEUE,
        target_class=None,
        target_seconds=None,
        objective=0.99,
        io_bound=None,
        cadence="",
        owner="",
        page=Page.NONE,
        page_after_seconds=300.0,
        scale_to_zero=False,
        serial_tasks=(),
        broker="",
        runbook_url="",
        purpose="",
        typical_duration="",
        notes="",
    )

    assert parse_targets("queue\nmail\n") == TargetTable(rows=(expected,), warnings=())
    assert QueueTarget(queue="mail") == expected


def test_columns_come_in_any_order():
    assert parse_targets("objective,target_class,queue\n0.999,hours,mail\n").rows == (
        QueueTarget(
            queue="mail", target_class=TargetClass.HOURS, target_seconds=14_400.0, objective=0.999, page=Page.TICKET
        ),
    )


@pytest.mark.parametrize(
    ("cells", "target_seconds", "page"),
    [
        ("seconds,,", 30, Page.PAGE),
        ("minutes,,", 600, Page.PAGE),
        ("hours,,", 14_400, Page.TICKET),
        ("hours,60,", 60, Page.TICKET),
        ("seconds,9e3,", 9000, Page.PAGE),
        (",,", None, Page.NONE),
        (",600,", 600, Page.PAGE),
        (",600.5,", 600.5, Page.TICKET),
        ("seconds,,ticket", 30, Page.TICKET),
        ("hours,,page", 14_400, Page.PAGE),
        ("minutes,,none", 600, Page.NONE),
        (",,page", None, Page.PAGE),
        ("Hours,,PAGE", 14_400, Page.PAGE),
        (",.5,", 0.5, Page.PAGE),
    ],
)
def test_the_class_gives_the_number_and_the_page_that_the_row_does_not(cells, target_seconds, page):
    (row,) = parse_targets(f"queue,target_class,target_seconds,page\nmail,{cells}\n").rows

    assert (row.target_seconds, row.page) == (target_seconds, page)


@pytest.mark.parametrize(
    "cells", ["page,minutes,0.9306", "ticket,minutes,0.9", "none,minutes,0.5", "page,,0.5", ",hours,0.5"]
)
def test_an_objective_may_be_low_where_no_page_hangs_on_it(cells):
    (row,) = parse_targets(f"queue,page,target_class,objective\nmail,{cells}\n").rows

    assert row.objective == float(cells.split(",")[2])


def test_byte_order_mark_windows_lines_blank_rows_and_comments_do_not_matter():
    text = '\ufeff# our "queues, \r\n\r\n queue , target_class\r\n\r\n,\r\n#mail,hours\r\n mail , seconds \r\n   \r\n'

    assert parse_targets(text) == parse_targets("queue,target_class\nmail,seconds")


def test_old_macintosh_lines_are_lines():
    assert parse_targets("queue,target_class\rmail,seconds\r") == parse_targets("queue,target_class\nmail,seconds\n")


def test_a_row_may_end_early():
    assert parse_targets("target_class,notes,queue\nhours,x,mail\n").rows[0].queue == "mail"
    assert parse_targets("queue,target_class,notes\nmail,hours\n") == parse_targets("queue,target_class\nmail,hours\n")


def test_notes_may_hold_newlines_commas_quotes_and_unusual_line_separators():
    (row,) = parse_targets('queue,notes\nmail, "one,\r\n#two ""three""\n\nfour\u2028five\x85"\n').rows

    assert row.notes == 'one,\n#two "three"\n\nfour\u2028five'


def test_unusual_line_separators_do_not_end_an_unquoted_row():
    (row,) = parse_targets("queue,notes,owner\nmail,one\u2028two\x0cthree,me\n").rows

    assert (row.notes, row.owner) == ("one\u2028two\x0cthree", "me")


def test_a_quoted_queue_may_begin_with_the_comment_sign():
    assert parse_targets('queue\n"#mail"\n').rows[0].queue == "#mail"


def test_one_queue_may_stand_once_for_each_broker_and_kind():
    table = parse_targets("queue,kind,broker\nmail,,\nmail,queue,eu\nmail,process,\nmail,pattern,eu\n")

    assert len(table.rows) == 4


def test_unknown_columns_are_warned_about_and_the_rest_is_read():
    table = parse_targets("queue,colour,target_second,\nmail,red,30,\n")

    assert table == TargetTable(
        rows=(QueueTarget(queue="mail"),),
        warnings=(
            'line 1: unknown column "colour" is ignored',
            'line 1: unknown column "target_second" is ignored; did you mean target_seconds?',
            'line 1: unknown column "" is ignored',
        ),
    )


def test_a_header_alone_is_an_empty_table_with_a_warning():
    assert parse_targets("queue\n# none yet\n") == TargetTable(warnings=("no rows: no queue has a target",))


def test_a_row_survives_json():
    for row in SHIPPED.rows:
        assert msgspec.json.decode(msgspec.json.encode(row), type=QueueTarget) == row


# What a broken file is told.


@pytest.mark.parametrize("text", ["", "\ufeff", "\n\r\n  \n", "# queue\n", ",,\n"])
def test_an_empty_file_is_refused(text):
    assert problems_of(text) == (Problem(1, None, "no header: the file is empty"),)


@pytest.mark.parametrize(
    ("header", "problems"),
    [
        ("name,kind", [Problem(3, "queue", 'this column is missing; there is "name", "kind"')]),
        ("queue;kind", [Problem(3, "queue", 'this column is missing; there is "queue;kind"')]),
        ("q\0u\0e\0", [Problem(3, "queue", r'this column is missing; there is "q\u0000u\u0000e\u0000"')]),
        (
            "owner,kind,owner,kind,,",
            [
                Problem(3, "owner", "this column is there more than once"),
                Problem(3, "kind", "this column is there more than once"),
                Problem(3, "queue", 'this column is missing; there is "owner", "kind", "owner", "kind", "", ""'),
            ],
        ),
        ("queue,queue", [Problem(3, "queue", "this column is there more than once")]),
        (
            '"queue" name',
            [Problem(3, None, "not CSV (',' expected after '\"'); look for a stray or unclosed quote")],
        ),
    ],
)
def test_a_broken_header_is_refused_alone(header, problems):
    assert problems_of(f"# targets\n\n{header}\n,,,,,,,,\n") == tuple(problems)


@pytest.mark.parametrize("column", ["target_seconds", "page_after_seconds"])
@pytest.mark.parametrize(
    "cell", ["abc", "0", "0.0", "-5", "+5", "nan", "inf", "1e999", "1e-999", "1_000", "30s", "5 m", "٣", ".", "3\0"]
)
def test_a_bad_number_of_seconds_is_refused(column, cell):
    (problem,) = problems_of(f"queue,{column}\nmail,{cell}\n")

    shown = cell.replace("\0", r"\u0000")
    assert problem == Problem(2, column, f'"{shown}" is not a number of seconds above 0')


@pytest.mark.parametrize("cell", ["0", "1", "1.0", "99", "99%", "-0.5", "nan", "0.99999999999999999999", '"0,99"'])
def test_a_bad_objective_is_refused(cell):
    (problem,) = problems_of(f"queue,objective\nmail,{cell}\n")

    shown = cell.strip('"')
    assert problem == Problem(2, "objective", f'"{shown}" is not a number between 0 and 1, like 0.99')


@pytest.mark.parametrize("cells", ["seconds,,0.9305", "minutes,,0.9305", "hours,page,0.9305", ",page,0.9305"])
def test_an_objective_whose_page_could_never_fire_is_refused(cells):
    problems = problems_of(f"queue,target_seconds,target_class,page,objective\nmail,45,{cells}\n")

    assert problems == (Problem(2, "objective", "0.9305 is below 0.9306: its page could never fire"),)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("kind", "queue, process, pattern, task"),
        ("target_class", "seconds, minutes, hours"),
        ("page", "page, ticket, none"),
        ("io_bound", "yes, no"),
        ("scale_to_zero", "yes, no"),
    ],
)
def test_a_bad_word_is_refused(column, words):
    assert problems_of(f"queue,{column}\nmail,maybe\n") == (Problem(2, column, f'"maybe" is not one of {words}'),)


@pytest.mark.parametrize("cell", ["mail", "mail:", ":send", ":"])
def test_a_task_row_without_queue_or_task_is_refused(cell):
    problems = problems_of(f"queue,kind\n{cell},task\n")

    assert problems == (Problem(2, "queue", f'"{cell}" is not of the form queue:task-glob'),)


def test_a_process_with_a_target_is_refused():
    assert problems_of("queue,kind,target_class,target_seconds\nbeat,process,hours,60\n") == (
        Problem(2, "target_class", "a process has no target"),
        Problem(2, "target_seconds", "a process has no target"),
    )


@pytest.mark.parametrize("row", [",x", '"",x', "  ,x"])
def test_a_row_without_a_name_is_refused(row):
    assert problems_of(f"queue,notes\n{row}\n") == (Problem(2, "queue", "the name is missing"),)


def test_a_row_that_ends_before_its_name_is_refused():
    assert problems_of("notes,queue\nx\n") == (Problem(2, "queue", "the name is missing"),)


def test_a_repeated_row_is_refused_where_it_is_repeated():
    assert problems_of("queue,kind,broker\nmail,,eu\nsms\nmail,queue,eu\nsms,queue,\nsms\n") == (
        Problem(4, "queue", '"mail" is already on line 2'),
        Problem(5, "queue", '"sms" is already on line 3'),
        Problem(6, "queue", '"sms" is already on line 3'),
    )


def test_a_row_with_more_cells_than_columns_is_refused():
    assert problems_of("queue,notes\nmail,quick, but not always\nsms,,\n") == (
        Problem(2, None, "3 cells, 2 columns; a comma needs quotes"),
        Problem(3, None, "3 cells, 2 columns; a comma needs quotes"),
    )


@pytest.mark.parametrize("cell", ["wiki/mail", "ftp://wiki/mail", "https://", "http:///mail", "https://wiki/my mail"])
def test_a_runbook_without_a_web_address_is_refused(cell):
    problems = problems_of(f"queue,runbook_url\nmail,{cell}\n")

    assert problems == (Problem(2, "runbook_url", f'"{cell}" is not an http:// or https:// address'),)


@pytest.mark.parametrize("column", ["queue", "cadence", "owner", "serial_tasks", "broker"])
@pytest.mark.parametrize(
    ("character", "shown", "code"),
    [
        ("\x07", r"\u0007", "0007"),
        ("\n", r"\u000a", "000A"),
        ("\0", None, None),
        ("\x9b", r"\u009b", "009B"),
        ("\u200b", r"\u200b", "200B"),
        ("\u2028", r"\u2028", "2028"),
    ],
)
def test_a_character_that_nobody_sees_is_refused_in_names(column, character, shown, code):
    said = r'"a\u0000b" holds a NUL byte' if code is None else f'"a{shown}b" holds the invisible character U+{code}'

    rows = f'"a{character}b"\n' if column == "queue" else f'mail,"a{character}b"\n'
    header = "queue" if column == "queue" else f"queue,{column}"

    assert problems_of(f"{header}\n{rows}") == (Problem(2, column, said),)


def test_a_character_that_nobody_sees_is_refused_in_a_runbook():
    assert problems_of("queue,runbook_url\nmail,https://wiki/a\x07b\n") == (
        Problem(2, "runbook_url", r'"https://wiki/a\u0007b" holds the invisible character U+0007'),
    )


@pytest.mark.parametrize("column", ["purpose", "typical_duration", "notes"])
def test_a_nul_byte_is_refused_in_texts(column):
    assert problems_of(f"queue,{column}\nmail,a\0b\n") == (Problem(2, column, r'"a\u0000b" holds a NUL byte'),)


def test_a_quote_left_open_is_told_where_its_row_begins():
    assert problems_of('queue,notes\nmail,fine\nsms,"left\nopen,\n') == (
        Problem(3, None, "not CSV (unexpected end of data); look for a stray or unclosed quote"),
    )


def test_a_cell_beyond_the_limit_of_the_csv_module_is_refused():
    assert problems_of(f"queue,notes\nmail,{'x' * 131_073}\n,x") == (
        Problem(2, None, "not CSV (field larger than field limit (131072)); look for a stray or unclosed quote"),
        Problem(3, "queue", "the name is missing"),
    )


def test_a_long_bad_cell_is_shortened_in_its_message():
    (problem,) = problems_of(f"queue,target_seconds\nmail,{'1' * 100_000}x\n")

    assert problem.message == f'"{"1" * 60}..." is not a number of seconds above 0'


def test_all_problems_are_told_at_once_with_line_and_column():
    text = (
        "queue,notes,objective,target_seconds,kind\n"
        'mail,"two\nlines",2,abc\n'
        "\n"
        "# a comment\n"
        'sms,"three\r\n\r\nlines",,,quue\n'
        ",nameless\n"
        'x,"y" z\n'
        "mail,again\n"
        "a,b,0.9,1,queue,f\n"
        "last,,,0\n"
    )

    problems = problems_of(text)

    assert [str(problem) for problem in problems] == [
        'line 2, column objective: "2" is not a number between 0 and 1, like 0.99',
        'line 2, column target_seconds: "abc" is not a number of seconds above 0',
        'line 6, column kind: "quue" is not one of queue, process, pattern, task',
        "line 9, column queue: the name is missing",
        "line 10: not CSV (',' expected after '\"'); look for a stray or unclosed quote",
        'line 11, column queue: "mail" is already on line 2',
        "line 12: 6 cells, 5 columns; a comma needs quotes",
        'line 13, column target_seconds: "0" is not a number of seconds above 0',
    ]
    assert str(TargetsError(problems)) == "\n".join(str(problem) for problem in problems)


def test_a_bad_word_brings_no_problem_that_only_follows_from_it():
    text = "queue,kind,page,objective,target_class\nmail,,,,\nmail,quue,,,\nsms,,tickett,0.5,minutes\n"

    assert [problem.column for problem in problems_of(text)] == ["kind", "page"]


# Which row judges a task.


@pytest.mark.parametrize(
    ("queue", "task", "label"),
    [
        ("mail", "send_letter", "mail:send_*"),
        ("mail", "SEND_letter", "mail:*"),
        ("mail", "delete", "mail:*"),
        ("mail", None, "mail"),
        ("tenant-a1", "send_letter", "tenant-*"),
        ("tenant-a1", None, "tenant-*"),
        ("tenant-big", "send_letter", "tenant-big"),
        ("mailbox", "send_letter", None),
        ("mail:send_x", None, None),
        ("TENANT-1", None, None),
        ("tenant-*", None, "tenant-*"),
        ("[beat]", None, None),
        ("b", None, None),
        ("", None, None),
    ],
)
def test_the_first_task_row_then_the_queue_then_the_first_pattern_judges(queue, task, label):
    row = MANY_KINDS.find(queue, task)

    assert (row and row.queue) == label
    assert MANY_KINDS.label(queue, task) == (queue if label is None else label)


def test_queues_and_tasks_whose_names_hold_colons_are_found():
    table = parse_targets("queue,kind\napp:mail:send_*,task\nmail:app:*,task\n")

    assert table.label("app:mail", "send_letter") == "app:mail:send_*"
    assert table.label("mail", "app:send") == "mail:app:*"
    assert table.label("app", "send_letter") == "app"


def test_the_first_row_of_a_queue_judges_whatever_its_broker():
    table = parse_targets("queue,broker,owner\nmail,eu,first\nmail,us,second\n")

    assert table.find("mail", None).owner == "first"


def test_an_empty_table_judges_nothing():
    table = TargetTable()

    assert (table.rows, table.queue_rows, table.warnings) == ((), (), ())
    assert (table.find("mail", "send"), table.label("mail", "send")) == (None, "mail")


def test_queue_rows_are_all_but_the_processes():
    assert MANY_KINDS.queue_rows == MANY_KINDS.rows[:-1]


def test_a_divided_table_differs_in_its_seconds_only():
    table = parse_targets("queue,target_class,page_after_seconds,colour\nmail,minutes,120,\nsms\n")

    assert table.divided_by(60) == TargetTable(
        rows=(
            QueueTarget(
                queue="mail",
                target_class=TargetClass.MINUTES,
                target_seconds=10.0,
                page=Page.PAGE,
                page_after_seconds=2.0,
            ),
            QueueTarget(queue="sms", page_after_seconds=5.0),
        ),
        warnings=('line 1: unknown column "colour" is ignored',),
    )
    assert table.divided_by(60).find("mail", None).target_seconds == 10.0
    assert table.find("mail", None).target_seconds == 600.0


def test_rows_and_tables_cannot_be_changed():
    with pytest.raises(AttributeError):
        MANY_KINDS.rows = ()
    with pytest.raises(AttributeError):
        MANY_KINDS.rows[0].objective = 0.5
