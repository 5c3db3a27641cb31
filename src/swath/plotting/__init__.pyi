from .figures import PlotStyle as PlotStyle
from .figures import draw_sweep as draw_sweep
from .figures import figures_of as figures_of
from .layout import KINDS as KINDS
from .layout import ShownFigure as ShownFigure
from .palette import value_colours as value_colours
from .report import report_html as report_html
