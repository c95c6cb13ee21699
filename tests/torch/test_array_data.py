"""NumPy arrays and tables as data: they train as the tensors that a user would have made of them."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes
from torch import nn

from ratesmith.testing import check_task
from ratesmith.torch import TorchTask, find
from ratesmith.torch.array_data import as_tensors

MEASURES, MALIGN = load_breast_cancer(return_X_y=True)
MEASURES = (MEASURES - MEASURES.mean(0)) / MEASURES.std(0)
NAMES = [str(name).replace(" ", "_") for name in load_breast_cancer().feature_names]
TENSORS = (torch.tensor(MEASURES, dtype=torch.float32), torch.tensor(MALIGN))


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.1)


def task(train, **options):
    given = {
        "model": lambda: nn.Linear(30, 2),
        "optimizer": sgd,
        "loss": nn.functional.cross_entropy,
        "train": train,
        "validation": tuple(part[400:] for part in train) if isinstance(train, tuple) else train,
    }
    return TorchTask(**{**given, **options})


def losses(train, **options):
    training = task(train, **options).start(0)
    return [*(training.step(0.1) for _ in range(12)), training.evaluate()["loss"]]


def backwards(array):
    return array[::-1].copy()[::-1]


def locked(array):
    array = array.copy()
    array.setflags(write=False)
    return array


@pytest.mark.parametrize(
    ("inputs", "targets"),
    [
        (MEASURES, MALIGN),
        (backwards(MEASURES), MALIGN.astype("int32")),
        (locked(MEASURES), MALIGN.astype("uint8")),
        (np.asfortranarray(MEASURES).astype(">f8"), MALIGN == 1),
        (TENSORS[0], MALIGN),
    ],
)
def test_arrays_of_every_make_train_as_tensors(inputs, targets):
    assert losses((inputs, targets)) == losses(TENSORS)


def test_a_task_of_arrays_keeps_the_laws_makes_tensors_once_and_is_cut_into_folds():
    mine = task((MEASURES, MALIGN))
    check_task(mine)
    assert mine.split(0)[0]._tensors[0] is mine.split(1)[0]._tensors[0]
    assert losses((MEASURES, MALIGN), validation=None, folds=4) == losses(TENSORS, validation=None, folds=4)


def test_find_takes_arrays_too():
    torch.manual_seed(0)
    model = nn.Linear(30, 2)
    arrays, tensors = (
        find(model, sgd(model), nn.functional.cross_entropy, data, seeds=[0], pretrained=False).suggestion
        for data in ((MEASURES, MALIGN), TENSORS)
    )
    assert arrays == tensors


def test_one_array_is_inputs_alone():
    autoencoder = {"model": lambda: nn.Linear(30, 30), "loss": nn.functional.mse_loss}
    assert losses(MEASURES, **autoencoder) == losses(TENSORS[0], **autoencoder)


def test_floating_numbers_become_torchs_default_and_what_is_no_array_stays():
    torch.set_default_dtype(torch.float64)
    try:
        assert as_tensors(MEASURES.astype("float32"), "TorchTask", "train").dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    for given in (TENSORS, [MEASURES], {"x": MEASURES}, None):
        assert as_tensors(given, "TorchTask", "train") is given


def test_an_array_without_numbers_is_told():
    with pytest.raises(
        TypeError, match="TorchTask: train must hold numbers, got an array of <U6; make numbers of them"
    ):
        task((MEASURES, np.where(MALIGN == 1, "malign", "benign")))


@pytest.fixture
def pandas():
    return pytest.importorskip("pandas")


def table(library):
    return library.DataFrame({**dict(zip(NAMES, MEASURES.T, strict=True)), "malign": MALIGN})


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_table_and_a_column_train_as_tensors(library):
    cells = table(pytest.importorskip(library))
    assert losses((cells[NAMES], cells["malign"])) == losses(TENSORS)


def test_columns_of_whole_numbers_are_inputs_as_floating_ones(pandas):
    cells = pandas.DataFrame({"a": [1, 2], "b": pandas.array([1, 2], dtype="Int64"), "c": [True, False]})
    numbers, column, small = as_tensors((cells, cells["b"], cells["a"].astype("int8")), "TorchTask", "train")
    assert (numbers.dtype, numbers.tolist()) == (torch.float32, [[1.0, 1.0, 1.0], [2.0, 2.0, 0.0]])
    assert (column.dtype, column.tolist()) == (small.dtype, small.tolist()) == (torch.int64, [1, 2])


def test_a_column_of_floating_numbers_is_a_target_for_a_regression(pandas):
    inputs, progress = load_diabetes(return_X_y=True, as_frame=True)
    target = progress.to_frame() / 100
    given = {"model": lambda: nn.Linear(10, 1), "loss": nn.functional.mse_loss}
    tensors = (torch.tensor(inputs.to_numpy()).float(), torch.tensor(target.to_numpy()).float())
    assert losses((inputs, target), **given) == losses(tensors, **given)
    column = as_tensors((inputs, progress.astype("Float64")), "TorchTask", "train")[1]
    assert (column.dtype, column.shape) == (torch.float32, (442,))


def test_what_a_table_lacks_is_told_with_its_columns(pandas):
    cells = table(pandas)
    with pytest.raises(TypeError, match=r"train must say what are the inputs .* got one DataFrame; write \(table\[inp"):
        task(cells)
    cells["town"] = "Ulm"
    with pytest.raises(
        TypeError, match=r"TorchTask: train must hold numbers, got others in 'town' \(.*\); make numbers"
    ):
        task((cells, cells["malign"]))
    del cells["town"]
    cells.loc[3, "mean_area"] = np.nan
    with pytest.raises(
        ValueError, match="train must have a number everywhere, got missing values in 'mean_area'; fill"
    ):
        task((cells, cells["malign"]))
