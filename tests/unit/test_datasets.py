"""Data sets: made exactly, split fairly, scaled by the training part; tables: read, mended or refused in words."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest

from bigmodel.datasets import (
    DATASETS,
    SENTENCES,
    DatasetConfig,
    load_dataset,
    read_rows,
    read_table,
    split_rows,
    table_dataset,
)
from bigmodel.datasets.prepare import prepare
from bigmodel.errors import DataError
from bigmodel.ui.words import LANGUAGES, say, word


@pytest.fixture
def table(tmp_path):
    """Write text (or bytes) as a file and give its path."""

    def write(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def rows(count, line="{k},{half},{name}", header="a,b,kind"):
    """A small table of two classes."""
    names = ("cat", "dog")
    return "\n".join([header] + [line.format(k=k, half=k / 2, name=names[k % 2]) for k in range(count)])


def keys(notices):
    return {notice.key for notice in notices}


def test_the_article_s_problem_is_made_to_the_letter():
    """Values, held-out rows and classes are those of make_classification and train_test_split with seed 42."""
    from sklearn.datasets import make_classification
    from sklearn.model_selection import train_test_split

    x, y = make_classification(n_samples=1000, n_features=10, n_informative=5, random_state=42)
    _, x_test, _, y_test = train_test_split(x, y, test_size=0.2, random_state=42)
    data = load_dataset(DatasetConfig())
    assert np.allclose(data.test.x * data.scale + data.mean, x_test, atol=1e-5)
    assert np.array_equal(data.test.y, y_test)
    assert (len(data.train.y), len(data.valid.y), len(data.test.y)) == (640, 160, 200)


@pytest.mark.parametrize("name", [name for name in DATASETS if name not in SENTENCES])
def test_every_set_is_split_scaled_and_repeatable(name):
    """The training part has mean 0 and deviation 1, every class is in every part, and the seed gives it again."""
    config = DatasetConfig(dataset=name)
    data, again = load_dataset(config), load_dataset(config)
    assert np.allclose(data.train.x.mean(0), 0, atol=1e-4)
    assert np.allclose(data.train.x.std(0)[data.train.x.std(0) > 0], 1, atol=1e-4)
    assert data.train.x.dtype == np.float32
    assert data.train.y.dtype == np.int64
    for part, twin in zip((data.train, data.valid, data.test), (again.train, again.valid, again.test), strict=True):
        assert set(part.y) == set(range(len(data.classes)))
        assert np.array_equal(part.x, twin.x)
    assert data.train.x.shape[1] == len(data.features)


def test_other_seeds_give_other_parts():
    """The seed decides how a made set is drawn."""
    first, second = (load_dataset(DatasetConfig(dataset="moons", seed=seed)) for seed in (1, 2))
    assert not np.array_equal(first.train.x, second.train.x)


@pytest.mark.parametrize("name", ["moons", "circles", "blobs", "spirals", "xor"])
def test_noise_and_rows_count_for_made_sets(name):
    """A made set has as many rows as asked for, and noise moves its points."""
    still, shaken = (load_dataset(DatasetConfig(dataset=name, rows=100, noise=noise)) for noise in (0.0, 0.5))
    assert sum(len(part.y) for part in (still.train, still.valid, still.test)) == 100
    assert not np.allclose(still.train.x, shaken.train.x)


def test_the_scaler_has_not_seen_the_other_parts():
    """Changing the share of the test part changes mean and scale, which come from the training rows alone."""
    data = load_dataset(DatasetConfig(dataset="wine"))
    raw = data.train.x * data.scale + data.mean
    assert np.allclose(raw.mean(0), data.mean, rtol=1e-4)
    everything = np.concatenate([part.x for part in (data.train, data.valid, data.test)])
    assert not np.allclose(everything.mean(0), 0, atol=1e-3)


def test_a_table_becomes_a_data_set(table):
    """Numbers are scaled, categories become 0/1 columns, the target is guessed and its values are the classes."""
    text = "\n".join(["size,colour,label"] + [f"{k},{'red' if k % 3 else 'blue'},{'ab'[k % 2]}" for k in range(60)])
    read = read_table(table(text))
    assert (read.columns, read.types, read.target) == (
        ("size", "colour", "label"),
        ("number", "category", "category"),
        "label",
    )
    data = table_dataset(read, read.target, DatasetConfig())
    assert data.features == ("size", "colour_blue", "colour_red")
    assert data.classes == ("a", "b")
    assert set(np.unique(data.train.x[:, 1:])) == {0.0, 1.0}
    assert abs(float(data.train.x[:, 0].mean())) < 1e-5
    assert data.mean[1:].tolist() == [0, 0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_chinese_tables_are_read_in_their_encodings(table, encoding):
    """The same table in UTF-8 and UTF-16, with a mark or without, and in GB 18030 gives the same classes."""
    text = "\n".join(["长度,宽度,类别"] + [f"{k},{k * 2},{'猫' if k % 2 else '狗'}" for k in range(30)])
    read = read_table(table(text.encode(encoding)))
    assert read.columns == ("长度", "宽度", "类别")
    assert set(table_dataset(read, "类别", DatasetConfig()).classes) == {"猫", "狗"}


def test_a_western_table_in_latin_1_is_not_taken_for_chinese(table):
    """Accents in Latin-1 stay accents."""
    text = "\n".join(["größe,b,art"] + [f"{k},{k},{'chaîne été' if k % 2 else 'père'}" for k in range(30)])
    assert read_table(table(text.encode("latin-1"))).columns[0] == "größe"


def test_a_table_in_big5_is_read_as_such(table):
    """Traditional Chinese in Big5, in short cells and in long ones, is neither GB 18030 nor Latin-1."""
    for cell in ("{k}", "商品{k}，這家店的服務態度很好，東西也很好吃，下次還會再來"):
        text = "\n".join(["長度,類別"] + [f"{cell.format(k=k)},{'貓' if k % 2 else '狗'}" for k in range(30)])
        read = read_table(table(text.encode("big5")))
        assert read.columns == ("長度", "類別")
        assert set(read.values["類別"]) == {"貓", "狗"}


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("shift_jis", "長さ,幅,種類,ねこ,いぬ"),
        ("shift_jis", "長さ,コメント,種類,とても良い商品です,すぐに壊れました"),
        ("euc_kr", "길이,너비,종류,고양이,강아지"),
        ("euc_kr", "길이,의견,종류,아주 좋은 상품입니다,금방 고장이 났어요"),
        ("gb18030", "长度,意见,类别,这家店的服务态度很好,东西不好吃"),
        ("gb18030", "編號,備註,類別,我們都說個個都好,這個東西壞了"),
        ("big5", "編號,備註,類別,我們都說個個都好,這個東西壞了"),
        ("utf-16", "長さ,幅,種類,ねこ,いぬ"),
        ("cp1252", "größe,été,naïve,château,père"),
    ],
)
def test_the_encodings_of_neighbours_are_told_apart(table, encoding, words):
    """Japanese, Korean, simplified and traditional Chinese and Western tables are each read in their own letters."""
    *heads, first, second = words.split(",")
    rows = [",".join(heads)] + [f"{k},{k * 2},{second if k % 2 else first}" for k in range(30)]
    read = read_table(table("\n".join(rows).encode(encoding)))
    assert read.columns == tuple(heads)
    assert set(read.values[heads[2]]) == {first, second}


@pytest.mark.parametrize(
    ("encoding", "names"), [("cp1251", "кошка,собака"), ("cp1252", "CAFÉ,NOËL"), ("iso8859-7", "γάτα,σκύλος")]
)
def test_old_alphabets_are_not_taken_for_a_program(table, encoding, names):
    """A table with more letters above 127 than below is read, whatever its letters look like then."""
    first, second = names.split(",")
    text = "\n".join(["a,b,kind"] + [f"{k},{k / 2},{second if k % 2 else first}" for k in range(40)])
    assert read_table(table(text.encode(encoding))).values["kind"].nunique() == 2


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(table, delimiter):
    """Commas, semicolons, tabs and bars all separate; quoted cells may hold them, and line breaks too."""
    quoted = f'"x{delimiter}\ny"'
    text = (
        delimiter.join(["a", "b", "c"])
        + "\n"
        + "\n".join(delimiter.join([str(k), quoted, "uv"[k % 2]]) for k in range(20))
    )
    read = read_table(table(text))
    assert read.columns == ("a", "b", "c")
    assert read.rows == 20


def test_decimal_commas_are_numbers_in_a_semicolon_table(table):
    """1.234,5 between semicolons is 1234.5."""
    read = read_table(table(rows(20, "1.{k:03d},5;{half};{name}", "a;b;kind")))
    assert read.types[0] == "number"
    assert read.values["a"][1] == 1001.5


REFUSED = {
    "empty": ("", None, "data.empty"),
    "blank": (" \n\n", None, "data.empty"),
    "a mark alone": (b"\xef\xbb\xbf", None, "data.empty"),
    "a program": (b"\x7fELF\x02\x01\x01" + bytes(100), None, "data.binary"),
    "noise without a zero": (bytes(range(1, 256)) * 9, None, "data.binary"),
    "high bytes": (bytes(range(128, 256)) * 9, None, "data.binary"),
    "high bytes in pairs": (bytes(range(0xA1, 0xFF)) * 9, None, "data.binary"),
    "two rows": ("a,kind\n1,x\n2,y\n", None, "data.few"),
    "one row of each class": (rows(30, "{k},{half},class {k}"), "kind", "data.thin_classes"),
    "infinity as a class": (rows(30, "{k},{half},inf"), "kind", "data.target_empty"),
    "header only": ("a,b,c\n", None, "data.header_only"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", None, "data.binary"),
    "an endless quote": ('a,b\n1,"' + "x" * 200_000, None, "data.broken"),
    "one column": ("a\n" + "1\n" * 20, None, "data.one_column"),
    "nine rows": (rows(9), None, "data.few"),
    "one class": (rows(20).replace("dog", "cat"), "kind", "data.one_class"),
    "5,000 texts": (rows(5000, "{k},{half},word{k}"), "kind", "data.many_classes"),
    "as many texts as rows": (rows(50, "{k},{half},word{k}"), "kind", "data.thin_classes"),
    "measurements": (rows(200), "b", "data.continuous"),
    "dates as the target": (rows(200, "{k},{half},2024-01-{k}", "a,b,day"), "a", "data.continuous"),
    "a missing target": (rows(20), "colour", "data.no_target"),
    "an empty target": (rows(20, "{k},,{name}"), "b", "data.target_empty"),
    "too few known targets": (
        rows(30, "{k},{half},").replace("1,0.5,", "1,0.5,x").replace("2,1.0,", "2,1.0,y"),
        "kind",
        "data.thin_classes",
    ),
    "nothing to learn from": (rows(60, ",word {k},{name}"), "kind", "data.no_features"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_table_that_cannot_be_learned_says_why_in_both_languages(table, case):
    """Each bad table raises its own DataError, and the sentence is filled in English and in Chinese."""
    content, target, key = REFUSED[case]
    with pytest.raises(DataError) as raised:
        table_dataset(read_table(table(content)), target or "", DatasetConfig())
    assert raised.value.key == key
    for language in LANGUAGES:
        assert "{" not in word(raised.value, language)


def test_a_file_too_large_is_refused_before_it_is_read(table, monkeypatch):
    """A file over the limit is refused with its size."""
    monkeypatch.setattr("bigmodel.datasets.files.MOST_BYTES", 100)
    with pytest.raises(DataError, match="MB"):
        read_table(table(rows(100)))


MENDED = {
    "gaps": rows(40, "{k},,{name}").replace("3,,", "3,7,", 1).replace("4,,", "4,8,", 1),
    "empty": rows(40, "{k},,{name}"),
    "tfidf_word": rows(80, "{k},some words {k},{name}"),
    "tfidf_char": rows(80, "{k},第{k}句话不长,{name}"),
    "wordless": "\n".join(["a,b,kind"] + [f"{k},{'! ' * (k + 3)},{'uv'[k % 2]}" for k in range(80)]),
    "names": rows(80, "{k},id{k},{name}"),
    "dates": rows(40, "{k},2024-03-{k:02d},{name}").replace("2024-03-00", "2024-03-31"),
    "infinite": rows(40).replace("\n5,2.5,", "\n5,inf,"),
    "not_numbers": rows(40).replace("\n5,2.5,", "\n5,oops,"),
    "target_gaps": rows(40).replace("\n5,2.5,dog", "\n5,2.5,"),
    "rare_classes": rows(40).replace("\n5,2.5,dog", "\n5,2.5,emu"),
    "unnamed": rows(40, header="a,,kind"),
    "mixed": rows(40).replace("cat", "猫").encode()
    + b"\n"
    + rows(40).replace("dog", "狗").replace("a,b,kind\n", "").encode("gb18030"),
    "renamed": rows(40, header="a,a,kind"),
    "uneven": rows(40).replace("\n5,2.5,dog", "\n5,2.5,dog,8,9"),
    "no_header": rows(40, header="7,8,9").replace("cat", "1").replace("dog", "2"),
    "categories": "\n".join(["a,b,kind"] + [f"{k},v{k % 45},{'cd'[k % 2]}" for k in range(400)]),
}


@pytest.mark.parametrize("case", MENDED)
def test_what_is_mended_is_said_and_nothing_is_lost_but_that(table, case):
    """Each defect that can be mended leaves a notice with words in both languages, and a data set of finite numbers."""
    read = read_table(table(MENDED[case]))
    data = table_dataset(read, read.columns[-1], DatasetConfig())
    assert case in keys(data.notices)
    assert all(np.isfinite(part.x).all() for part in (data.train, data.valid, data.test))
    for notice in data.notices:
        for language in LANGUAGES:
            assert "{" not in say(f"datasets.notice.{notice.key}", language, **dict(notice.values))


def test_ten_thousand_columns_are_cut_to_what_fits_and_it_is_said(table):
    """Of a table of 10,000 columns 500 are kept, the last one among them, and a sentence says so."""
    header = ",".join([*(f"c{k}" for k in range(9_999)), "kind"])
    text = "\n".join([header] + [",".join([str(k * 7 % 11)] * 9_999 + ["uv"[k % 2]]) for k in range(20)])
    read = read_table(table(text))
    assert (len(read.columns), read.target, keys(read.notices)) == (500, "kind", {"columns"})


def test_a_header_of_empty_cells_is_no_reason_to_lose_a_row(table):
    """Under a row of nothing but commas a row with a number is data; without one it is the header."""
    text = "\n".join([",,"] + [f"{k},{k / 2},{'uv'[k % 2]}" for k in range(20)])
    read = read_table(table(text))
    assert (read.rows, read.columns) == (20, ("column 1", "column 2", "column 3"))
    assert read_table(table(",,\n" + rows(20))).columns == ("a", "b", "kind")


def test_quotes_and_line_breaks_stay_in_their_cells(table):
    """Doubled quotation marks, delimiters and line breaks in quoted cells and names are kept."""
    text = "\n".join(['a,"the ""b"", c",kind'] + [f'{k},"x, ""{k % 2}""\ny","{"uv"[k % 2]}"' for k in range(20)])
    read = read_table(table(text))
    assert read.columns == ("a", 'the "b", c', "kind")
    assert read.values['the "b", c'][0] == 'x, "0"\ny'


def test_dates_become_days(table):
    """Two dates a day apart are 1 apart, in ISO and in Chinese writing."""
    text = "\n".join(["a,day,kind"] + [f"{k},2024年3月{k + 1}日,{'cd'[k % 2]}" for k in range(20)])
    days = read_table(table(text)).values["day"]
    assert days.diff().dropna().unique().tolist() == [1.0]


def test_none_is_a_gap_among_numbers_and_a_class_among_words(table):
    """The word None stands for a missing number, but rows whose class is called None are kept."""
    text = "\n".join(["a,b,kind"] + [f"{k if k % 4 else 'None'},{k},{'None' if k % 2 else 'Some'}" for k in range(40)])
    read = read_table(table(text))
    assert read.types == ("number", "number", "category")
    assert table_dataset(read, "kind", DatasetConfig()).classes == ("None", "Some")


def test_too_many_rows_and_columns_are_cut_and_it_is_said(table, monkeypatch):
    """Over the limits rows are drawn at random and columns cut, the last one (often the target) kept."""
    monkeypatch.setattr("bigmodel.datasets.table.MOST_ROWS", 50)
    monkeypatch.setattr("bigmodel.datasets.table.MOST_COLUMNS", 4)
    header = ",".join([*(f"c{k}" for k in range(9)), "kind"])
    text = "\n".join([header] + [",".join([str(k)] * 9 + ["uv"[k % 2]]) for k in range(100)])
    read = read_table(table(text))
    assert (read.rows, read.columns) == (50, ("c0", "c1", "c2", "kind"))
    assert keys(read.notices) == {"sampled", "columns"}


def test_a_telling_name_is_guessed_as_the_target(table):
    """A column called label is guessed before one that merely comes last."""
    assert read_table(table(rows(40, "{name},{k},{half}", "label,a,b"))).target == "label"


def test_transformers_have_seen_the_training_part_only(table):
    """The fill-in for gaps is the median of the training rows, whatever the other parts hold."""
    text = "\n".join(["a,kind"] + [f"{k * k if k % 3 else ''},{'cd'[k % 2]}" for k in range(90)])
    read = read_table(table(text))
    data = table_dataset(read, "kind", DatasetConfig())
    raw = data.train.x[:, 0] * data.scale[0] + data.mean[0]
    values, counts = np.unique(raw.round(2), return_counts=True)
    filled = values[counts.argmax()]
    known = raw[~np.isclose(raw, filled, atol=0.05)]
    assert np.isclose(np.median(known), filled, atol=200)
    everything = np.array([k * k for k in range(90) if k % 3])
    assert not np.isclose(filled, np.median(everything), atol=0.5)


MIXED = "\n".join(
    ["size,day,colour,kind"]
    + [
        f"{k if k % 5 else ''},2024-03-{k % 28 + 1:02d},{'rgb'[k % 3] if k % 7 else ''},{'uv'[k % 2]}"
        for k in range(90)
    ]
)


def test_the_recipe_alone_makes_the_parts_again(table):
    """The original cells of the test part and the recipe, sent through JSON, give the very x that was tested."""
    data = table_dataset(read_table(table(MIXED)), "kind", DatasetConfig())
    recipe = json.loads(json.dumps(data.recipe))
    assert np.array_equal(prepare(recipe, data.test_rows), data.test.x)
    assert np.array_equal(data.prepare(data.test_rows.astype(object)), data.test.x)
    assert data.test_rows["day"].iloc[0].startswith("2024-03-")
    assert [data.classes[k] for k in data.test.y] == list(data.test_rows["kind"])


def test_the_recipe_does_what_scikit_learn_s_transformers_do(table):
    """Filling, scaling and 0/1 columns are what SimpleImputer, StandardScaler and OneHotEncoder do."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    read, config = read_table(table(MIXED)), DatasetConfig()
    data = table_dataset(read, "kind", config)
    train, _, test = split_rows((read.values["kind"] == "v").to_numpy(int), config)
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    numbers.fit(read.values[["size", "day"]].iloc[train])
    assert np.allclose(data.test.x[:, :2], numbers.transform(read.values[["size", "day"]].iloc[test]), atol=1e-6)
    colours = read.values[["colour"]].fillna("?")
    ones = OneHotEncoder(sparse_output=False).fit(colours.iloc[train])
    assert np.array_equal(data.test.x[:, 2:], ones.transform(colours.iloc[test]))


def test_new_rows_are_prepared_as_people_write_them(table):
    """A typed row may hold text, gaps and a value never seen; a missing column is told."""
    data = table_dataset(read_table(table(MIXED)), "kind", DatasetConfig())
    new = pd.DataFrame({"size": ["12", "oops"], "day": ["2024年3月2日", None], "colour": ["purple", "r"]})
    x = data.prepare(new)
    assert np.isclose(x[0, 0] * data.scale[0] + data.mean[0], 12, atol=1e-4)
    assert np.isfinite(x).all()
    assert x[:, 2:].sum(1).tolist() == [0, 1]
    with pytest.raises(DataError, match="colour"):
        data.prepare(new.drop(columns="colour"))


def test_left_out_columns_are_not_learned_from(table):
    """A column that is left out gives no feature, and is still seen in the test rows."""
    data = table_dataset(read_table(table(MIXED)), "kind", DatasetConfig(), leave_out=("day", "colour"))
    assert data.features == ("size",)
    assert "day" in data.test_rows.columns


def test_built_in_sets_have_recipes_and_digits_are_pictures():
    """Raw features and the recipe give the standardised ones; digits say that they are 8 × 8 dots."""
    data = load_dataset(DatasetConfig(dataset="digits"))
    raw = pd.DataFrame(data.test.x.astype(float) * data.scale + data.mean, columns=data.features)
    assert np.allclose(data.prepare(raw), data.test.x, atol=1e-5)
    assert data.image == (8, 8)
    assert load_dataset(DatasetConfig(dataset="moons")).image is None


def write_excel(path, sheets):
    """A workbook of the parts that make one, no more."""
    space = "http://schemas.openxmlformats.org"
    relation = f"{space}/officeDocument/2006/relationships"

    def links(kind, *targets):
        each = (
            f'<Relationship Id="r{k}" Type="{relation}/{kind}" Target="{target}"/>'
            for k, target in enumerate(targets, 1)
        )
        return f'<Relationships xmlns="{space}/package/2006/relationships">{"".join(each)}</Relationships>'

    names = "".join(f'<sheet name="{name}" sheetId="{k}" r:id="r{k}"/>' for k, name in enumerate(sheets, 1))
    main = f'xmlns="{space}/spreadsheetml/2006/main"'
    places = [f"worksheets/sheet{k}.xml" for k in range(1, len(sheets) + 1)]
    with zipfile.ZipFile(path, "w") as book:
        book.writestr("[Content_Types].xml", f'<Types xmlns="{space}/package/2006/content-types"/>')
        book.writestr("_rels/.rels", links("officeDocument", "xl/workbook.xml"))
        book.writestr("xl/workbook.xml", f'<workbook {main} xmlns:r="{relation}"><sheets>{names}</sheets></workbook>')
        book.writestr("xl/_rels/workbook.xml.rels", links("worksheet", *places))
        for place, rows in zip(places, sheets.values(), strict=True):
            body = "".join(f"<row>{''.join(map(excel_cell, row))}</row>" for row in rows)
            book.writestr(f"xl/{place}", f"<worksheet {main}><sheetData>{body}</sheetData></worksheet>")
    return str(path)


def excel_cell(value):
    if isinstance(value, (int, float)):
        return f"<c><v>{value}</v></c>"
    return f'<c t="inlineStr"><is><t>{value}</t></is></c>'


LISTED = [["size", "weight", "kind"], *([k, k / 2, ("cat", "dog")[k % 2]] for k in range(30))]


def test_excel_and_parquet_give_what_the_same_csv_gives(table, tmp_path):
    """The same rows as CSV, XLSX and Parquet are the same columns, types and cells."""
    import pyarrow
    from pyarrow import parquet

    text = read_table(table("\n".join(",".join(map(str, row)) for row in LISTED)))
    book = read_table(write_excel(tmp_path / "a.xlsx", {"empty": [], "animals": LISTED}))
    columns = dict(zip(LISTED[0], map(list, zip(*LISTED[1:], strict=True)), strict=True))
    parquet.write_table(pyarrow.table(columns), tmp_path / "renamed.csv")
    packed = read_table(str(tmp_path / "renamed.csv"))
    for read in (book, packed):
        assert (read.columns, read.types, read.target) == (text.columns, text.types, text.target)
        assert read.values.equals(text.values)
    assert keys(book.notices) == {"sheet"}


def test_rows_for_a_prediction_need_no_target_and_no_number(table, tmp_path):
    """A file of one row is read as it stands."""
    assert read_rows(table("a,b\n1,x\n")).to_dict("records") == [{"a": "1", "b": "x"}]
    assert len(read_rows(write_excel(tmp_path / "a.xlsx", {"one": LISTED[:3]}))) == 2
