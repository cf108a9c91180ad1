"""The targets table: what the shipped file says, what a broken one is told, and which row judges a task."""

from pathlib import Path

import msgspec
import pytest

from core.targets import Kind, Page, Problem, QueueTarget, TargetClass, TargetsError, TargetTable, parse_targets

SHIPPED_TEXT = (Path(__file__).parents[2] / "queue_targets.csv").read_text(encoding="utf-8")
SHIPPED = parse_targets(SHIPPED_TEXT)
HEADER = (
    "queue,kind,target_class,target_seconds,objective,io_bound,cadence,owner,page,page_after_seconds,"
    "scale_to_zero,serial_tasks,broker,runbook_url,purpose,typical_duration,notes"
)
MANY_KINDS = parse_targets(
    "queue,kind\nmail:send_*,task\nmail:*,task\neu:mail:app:*,task\nmail,queue\n"
    "tenant-*,pattern\ntenant-a*,pattern\ntenant-big,\nb*,process\n"
)
NO_SECONDS = "is not a number of seconds above 0"
NO_SHARE = "is not a number between 0 and 1, like 0.99"
NO_PAGE = "0.9305 is below 0.9306: its page could never fire"
QUOTE = "look for a stray or unclosed quote"


def problems_of(text):
    with pytest.raises(TargetsError) as raised:
        parse_targets(text)
    return raised.value.problems


def test_shipped_rows_promise_what_is_documented_in_the_documented_order():
    """Source: CommCare HQ documentation, docs/celery.rst, 2019-03-12."""
    rows = [(row.queue, row.target_class, row.target_seconds, row.page, row.io_bound) for row in SHIPPED.rows]

    assert (SHIPPED_TEXT.splitlines()[0], SHIPPED.warnings) == (HEADER, ())
    assert rows[:14] == [
        ("send_report_throttled", "hours", 1800, "ticket", None),
        ("submission_reprocessing_queue", "hours", 3600, "ticket", False),
        ("sumologic_logs_queue", "hours", 3600, "ticket", True),
        ("analytics_queue", "minutes", 600, "page", True),
        ("reminder_case_update_queue", "minutes", 600, "page", None),
        ("reminder_queue", "minutes", 900, "page", True),
        ("reminder_rule_queue", "minutes", 600, "page", None),
        ("repeat_record_queue", "minutes", 600, "page", None),
        ("sms_queue", "minutes", 300, "page", True),
        ("async_restore_queue", "seconds", 30, "page", False),
        ("case_import_queue", "seconds", 30, "page", None),
        ("email_queue", "seconds", 30, "page", True),
        ("export_download_queue", "seconds", 30, "page", None),
        ("icds_dashboard_reports_queue", "seconds", 30, "page", None),
    ]
    assert {row[1:4] for row in rows[14:]} == {(None, None, "none")}
    assert [row[0] for row in rows[14:] if row[4] is True] == ["icds_aggregation_queue"]
    assert [row[0] for row in rows[14:] if row[4] is False] == ["ucr_indicator_queue", "ucr_queue"]
    assert " ".join(row[0] for row in rows[14:]) == (
        "background_queue case_rule_queue celery celery_periodic icds_aggregation_queue ils_gateway_sms_queue "
        "logistics_background_queue logistics_reminder_queue saved_exports_queue ucr_indicator_queue ucr_queue beat flower"
    )


def test_shipped_processes_and_the_queue_that_is_not_to_be_tracked_have_no_target():
    assert [row.queue for row in SHIPPED.rows if row.kind is Kind.PROCESS] == ["beat", "flower"]
    assert SHIPPED.queue_rows == SHIPPED.rows[:25]
    assert SHIPPED.find("beat", None) is None
    assert SHIPPED.find("icds_aggregation_queue", None).notes == "documented as: do not track"


def test_every_cell_of_a_full_row_is_read():
    cells = 'mail:*,Task,minutes,90,0.95,no,hourly,me,ticket,60,yes,"a.x; b.y  c.*",eu,https://wiki/mail,Post,days,Fine'

    (row,) = parse_targets(f"{HEADER}\n{cells}\n").rows

    assert msgspec.json.encode(row).decode() == (
        '{"queue":"mail:*","kind":"task","target_class":"minutes","target_seconds":90.0,"objective":0.95,'
        '"io_bound":false,"cadence":"hourly","owner":"me","page":"ticket","page_after_seconds":60.0,'
        '"scale_to_zero":true,"serial_tasks":["a.x","b.y","c.*"],"broker":"eu","runbook_url":"https://wiki/mail",'
        '"purpose":"Post","typical_duration":"days","notes":"Fine"}'
    )
    assert msgspec.json.decode(msgspec.json.encode(row), type=QueueTarget) == row


def test_a_queue_alone_has_every_default():
    table = parse_targets("queue\nmail\n")

    assert table == TargetTable(rows=(QueueTarget(queue="mail"),), warnings=())
    assert msgspec.json.encode(table.rows[0]).decode() == (
        '{"queue":"mail","kind":"queue","target_class":null,"target_seconds":null,"objective":0.99,"io_bound":null,'
        '"cadence":"","owner":"","page":"none","page_after_seconds":300.0,"scale_to_zero":false,"serial_tasks":[],'
        '"broker":"","runbook_url":"","purpose":"","typical_duration":"","notes":""}'
    )


def test_columns_come_in_any_order_and_a_row_may_end_early():
    expected = QueueTarget(queue="mail", target_class=TargetClass.HOURS, target_seconds=14_400.0, page=Page.TICKET)

    assert parse_targets("target_class,queue,owner,notes\nhours,mail\n").rows == (expected,)


@pytest.mark.parametrize(
    ("cells", "target_seconds", "page"),
    [
        ("minutes,,", 600, "page"),
        ("Hours,,", 14_400, "ticket"),
        ("seconds,9e3,", 9000, "page"),
        (",600,", 600, "page"),
        (",600.5,", 600.5, "ticket"),
        ("seconds,,ticket", 30, "ticket"),
        ("hours,.5,PAGE", 0.5, "page"),
        ("minutes,,none", 600, "none"),
        (",,page", None, "page"),
    ],
)
def test_the_class_gives_the_number_and_the_page_that_the_row_does_not(cells, target_seconds, page):
    (row,) = parse_targets(f"queue,target_class,target_seconds,page\nmail,{cells}\n").rows

    assert (row.target_seconds, row.page) == (target_seconds, page)


@pytest.mark.parametrize("cells", ["minutes,page,0.9306", "minutes,ticket,0.5", "hours,,0.5", ",page,.5"])
def test_an_objective_may_be_low_where_no_page_hangs_on_it(cells):
    assert len(parse_targets(f"queue,target_class,page,objective\nmail,{cells}\n").rows) == 1


def test_byte_order_mark_foreign_lines_spaces_blank_rows_and_comments_do_not_matter():
    plain = parse_targets("queue,target_class\nmail,seconds\n")

    assert parse_targets('\ufeff# a "b, \r\n\r\n queue , target_class\r\n,\r\n#b\r\n mail , seconds \r\n') == plain
    assert parse_targets('"queue", "target_class"\rmail, "seconds"') == plain


def test_notes_may_hold_newlines_comment_signs_and_unusual_line_separators():
    table = parse_targets('queue,notes,owner\n"#a","one,\r\n#two ""three""\n\nfour"\nb,one\u2028two\x0cthree,me\n')

    assert table.rows == (
        QueueTarget(queue="#a", notes='one,\n#two "three"\n\nfour'),
        QueueTarget(queue="b", notes="one\u2028two\x0cthree", owner="me"),
    )


def test_unknown_columns_are_warned_about_and_the_rest_is_read():
    assert parse_targets("queue,colour,target_second,\nmail,red,30,\n") == TargetTable(
        rows=(QueueTarget(queue="mail"),),
        warnings=(
            'line 1: unknown column "colour" is ignored',
            'line 1: unknown column "target_second" is ignored; did you mean target_seconds?',
            'line 1: unknown column "" is ignored',
        ),
    )


def test_a_header_alone_is_an_empty_table_with_a_warning():
    assert parse_targets("queue\n# none yet\n") == TargetTable(warnings=("no rows: no queue has a target",))


@pytest.mark.parametrize("text", ["", "\ufeff", "\n\r\n  \n", "# queue\n", ",,\n"])
def test_an_empty_file_is_refused(text):
    assert problems_of(text) == (Problem(1, None, "no header: the file is empty"),)


@pytest.mark.parametrize(
    ("header", "problems"),
    [
        ("queue;kind", [("queue", 'this column is missing; there is "queue;kind"')]),
        ("q\0u\0,x", [("queue", r'this column is missing; there is "q\u0000u\u0000", "x"')]),
        ("queue,queue,kind,kind", [(name, "this column is there more than once") for name in ("queue", "kind")]),
        ("a,a", [("a", "this column is there more than once"), ("queue", 'this column is missing; there is "a", "a"')]),
        ('"queue" name', [(None, f"not CSV (',' expected after '\"'); {QUOTE}")]),
    ],
)
def test_a_broken_header_is_refused_alone(header, problems):
    assert problems_of(f"# targets\n\n{header}\n,,,,,,,,x\n") == tuple(Problem(3, *problem) for problem in problems)


@pytest.mark.parametrize("column", ["target_seconds", "page_after_seconds"])
@pytest.mark.parametrize("cell", ["abc", "0", "-5", "+5", "nan", "inf", "1e999", "1e-999", "1_0", "3s", "٣", "."])
def test_a_bad_number_of_seconds_is_refused(column, cell):
    assert problems_of(f"queue,{column}\nmail,{cell}\n") == (Problem(2, column, f'"{cell}" {NO_SECONDS}'),)


@pytest.mark.parametrize(
    ("columns", "cells", "column", "message"),
    [
        ("kind", "mail,quue", "kind", '"quue" is not one of queue, process, pattern, task'),
        ("target_class", "mail,soon", "target_class", '"soon" is not one of seconds, minutes, hours'),
        ("page,target_class,objective", "mail,call,minutes,.5", "page", '"call" is not one of page, ticket, none'),
        ("io_bound", "mail,no?", "io_bound", '"no?" is not one of yes, no'),
        ("scale_to_zero", "mail,1", "scale_to_zero", '"1" is not one of yes, no'),
        ("objective", "mail,1", "objective", f'"1" {NO_SHARE}'),
        ("objective", "mail,0", "objective", f'"0" {NO_SHARE}'),
        ("objective", "mail,0.99999999999999999999", "objective", f'"0.99999999999999999999" {NO_SHARE}'),
        ("target_class,objective", "mail,seconds,0.9305", "objective", NO_PAGE),
        ("target_seconds,objective", "mail,45,0.9305", "objective", NO_PAGE),
        ("target_class,page,objective", "mail,hours,page,0.9305", "objective", NO_PAGE),
        ("kind", "mail,task", "queue", '"mail" is not of the form queue:task-glob'),
        ("kind", "mail:,task", "queue", '"mail:" is not of the form queue:task-glob'),
        ("kind", ":send,task", "queue", '":send" is not of the form queue:task-glob'),
        ("kind,target_class", "beat,process,hours", "target_class", "a process has no target"),
        ("kind,target_seconds", "beat,process,9", "target_seconds", "a process has no target"),
        ("runbook_url", "mail,wiki/mail", "runbook_url", '"wiki/mail" is not an http:// or https:// address'),
        ("runbook_url", "mail,http://a b", "runbook_url", '"http://a b" is not an http:// or https:// address'),
        ("runbook_url", "mail,http://a\x07", "runbook_url", r'"http://a\u0007" holds the invisible character U+0007'),
        ("notes", "mail,a\0b", "notes", r'"a\u0000b" holds a NUL byte'),
        ("kind", "a\0b,task", "queue", r'"a\u0000b" holds a NUL byte'),
        ("notes", 'sms,"left\nopen,\n', None, f"not CSV (unexpected end of data); {QUOTE}"),
    ],
)
def test_a_bad_row_is_refused_with_its_line_and_column(columns, cells, column, message):
    assert problems_of(f"queue,{columns}\nfine\n{cells}\n") == (Problem(3, column, message),)


def test_a_huge_cell_is_refused_and_shown_in_short():
    assert problems_of(f"queue,target_seconds\nmail,{'1' * 99_999}x\nsms,{'1' * 131_073}\n") == (
        Problem(2, "target_seconds", f'"{"1" * 60}..." {NO_SECONDS}'),
        Problem(3, None, f"not CSV (field larger than field limit (131072)); {QUOTE}"),
    )


def test_a_row_that_ends_before_its_name_is_refused():
    assert problems_of("notes,queue\nx\n") == (Problem(2, "queue", "the name is missing"),)


@pytest.mark.parametrize("column", ["queue", "cadence", "owner", "serial_tasks", "broker"])
@pytest.mark.parametrize("code", ["0007", "000A", "009B", "200B", "2028"])
def test_a_character_that_nobody_sees_is_refused_in_names(column, code):
    row = {"queue": "mail", column: f'"a{chr(int(code, 16))}b"'}

    problems = problems_of(f"{','.join(row)}\n{','.join(row.values())}\n")

    assert problems == (Problem(2, column, f'"a\\u{code.lower()}b" holds the invisible character U+{code}'),)


def test_a_repeated_row_is_refused_unless_its_kind_or_broker_differs():
    rows = "mail,,eu\nsms\nmail,queue,eu\nmail,pattern,eu\nmail,,us\nmail\nsms,queue,\nsms,quue,\n"

    assert [str(problem) for problem in problems_of(f"queue,kind,broker\n{rows}")] == [
        'line 4, column queue: "mail" is already on line 2',
        'line 8, column queue: "sms" is already on line 3',
        'line 9, column kind: "quue" is not one of queue, process, pattern, task',
    ]


def test_all_problems_are_told_at_once_with_line_and_column():
    rows = 'mail,"two\nlines",2,abc\n\n# comment\nsms,"a\r\n\r\nb",,,quue\n,x\nx,"y" z\nmail,again\na,b,1,1,,,\nz,,.5,0,,minutes'

    problems = problems_of(f"queue,notes,objective,target_seconds,kind,target_class\n{rows}")

    assert str(TargetsError(problems)).splitlines() == [
        'line 2, column objective: "2" is not a number between 0 and 1, like 0.99',
        'line 2, column target_seconds: "abc" is not a number of seconds above 0',
        'line 6, column kind: "quue" is not one of queue, process, pattern, task',
        "line 9, column queue: the name is missing",
        f"line 10: not CSV (',' expected after '\"'); {QUOTE}",
        'line 11, column queue: "mail" is already on line 2',
        "line 12: 7 cells, 6 columns; a comma needs quotes",
        'line 13, column target_seconds: "0" is not a number of seconds above 0',
        "line 13, column objective: 0.5 is below 0.9306: its page could never fire",
    ]


@pytest.mark.parametrize(
    ("queue", "task", "label"),
    [
        ("mail", "send_letter", "mail:send_*"),
        ("mail", "SEND_letter", "mail:*"),
        ("mail", None, "mail"),
        ("tenant-a1", "send_letter", "tenant-*"),
        ("tenant-big", None, "tenant-big"),
        ("mailbox", "send_letter", None),
        ("eu:mail", "app:send", "eu:mail:app:*"),
        ("eu", "mail:app:send", "eu:mail:app:*"),
        ("TENANT-1", None, None),
        ("b*", None, None),
    ],
)
def test_the_first_task_row_then_the_queue_then_the_first_pattern_judges(queue, task, label):
    row = MANY_KINDS.find(queue, task)

    assert (row and row.queue) == label
    assert MANY_KINDS.label(queue, task) == (label or queue)


def test_the_first_row_of_a_queue_judges_whatever_its_broker():
    assert parse_targets("queue,broker\nmail,eu\nmail,us\n").find("mail", None).broker == "eu"


def test_an_empty_table_judges_nothing():
    assert (TargetTable().find("mail", "send"), TargetTable().label("mail", "send")) == (None, "mail")


def test_a_divided_table_differs_in_its_seconds_only():
    table = parse_targets("queue,target_class,page_after_seconds,colour\nmail,minutes,120,\nsms\n")
    mail = QueueTarget(queue="mail", target_class=TargetClass.MINUTES, target_seconds=10.0, page=Page.PAGE)

    assert table.divided_by(60) == TargetTable(
        rows=(msgspec.structs.replace(mail, page_after_seconds=2.0), QueueTarget(queue="sms", page_after_seconds=5.0)),
        warnings=('line 1: unknown column "colour" is ignored',),
    )
    assert table.find("mail", None).target_seconds == 600.0
