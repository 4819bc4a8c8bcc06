"""`afterhello source`: the forms and tools that submit meetings. Which word is done where."""

import typer

from services.intake import mapping, source_setup, source_takes, source_views

source = typer.Typer(no_args_is_help=True, help="The forms and tools that submit meetings.")
FIELDS = f"FIELD is one of {', '.join(mapping.FIELDS)}."

source.command("add", epilog=FIELDS)(source_setup.add)
source.command("map", epilog=FIELDS)(source_setup.map_)
source.command("rotate")(source_setup.rotate)
source.command("disable")(source_setup.disable)
source.command("list")(source_views.list_)
source.command("show")(source_views.show_)
source.command("test")(source_views.test)
source.command("import")(source_takes.import_)
source.command("replay")(source_takes.replay)
