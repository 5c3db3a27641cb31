from .figures import PlotStyle as PlotStyle
from .figures import draw_sweep as draw_sweep
from .layout import KINDS as KINDS
from .palette import value_colours as value_colours
from .report import report_html as report_html
