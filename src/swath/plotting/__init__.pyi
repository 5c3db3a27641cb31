from .figures import draw_sweep as draw_sweep
