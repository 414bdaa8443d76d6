"""The KPI catalogue."""

from pipelines.reference.kpis import kpi_catalogue


def test_the_catalogue_names_the_figures_of_a_day() -> None:
    assert set(kpi_catalogue()) == {"energy_kwh", "co2e_kg", "oee", "energy_kwh_per_unit"}


def test_no_grid_of_a_ratio_is_finer_than_a_twentieth_of_its_reference() -> None:
    for definition in kpi_catalogue().values():
        assert definition.grids
        for grid in definition.grids.values():
            assert (grid.reference_level is None) == (definition.denominator is None)
            assert grid.reference_level is None or grid.step / grid.reference_level >= 0.05 - 1e-12


def test_ratios_name_the_class_of_what_is_below_the_line() -> None:
    for definition in kpi_catalogue().values():
        assert (definition.denominator is None) == (definition.denominator_class is None)


def test_a_product_class_without_an_agreed_grid_has_none() -> None:
    per_unit = kpi_catalogue()["energy_kwh_per_unit"]
    assert per_unit.grid_for("aluminium-castings") is not None
    assert per_unit.grid_for("unheard-of") is None
    assert per_unit.grid_for(None) is None
    oee = kpi_catalogue()["oee"].grid_for(None)
    assert oee is not None
    assert oee.step == 0.05
