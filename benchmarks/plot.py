"""Charts as SVG."""

from math import log10

COLOURS = ("#9aa0a6", "#e07a5f", "#f2cc8f", "#3d5a80", "#81b29a")
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 760, 360, 60, 60, 40


def bars(title: str, groups: list[str], series: dict[str, list[float]]) -> str:
    """Groups of bars on a logarithmic axis: of each series one value for each group."""
    top = max(value for values in series.values() for value in values)
    most = 10 ** (int(log10(top)) + 1)
    plot_height = HEIGHT - TOP - BOTTOM
    group_width = (WIDTH - LEFT) / len(groups)
    bar_width = group_width * 0.8 / len(series)

    def height(value: float) -> float:
        return plot_height * max(0.0, log10(max(value, 1.0)) - 1) / (log10(most) - 1)

    parts = [_text(LEFT, 20, title, size=15)]
    for power in range(1, round(log10(most)) + 1):
        y = HEIGHT - BOTTOM - height(10.0**power)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 6, y + 4, f"{10**power:,}", anchor="end"))
    for number, (name, values) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<rect x="{LEFT + 160 * number}" y="32" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(LEFT + 160 * number + 17, 42, name))
        for group, value in enumerate(values):
            x = LEFT + group_width * (group + 0.1) + bar_width * number
            y = HEIGHT - BOTTOM - height(value)
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{bar_width:.1f}" height="{height(value):.1f}" fill="{colour}"/>'
            )
            parts.append(_text(x + bar_width / 2, y - 4, f"{value:,.0f}", size=9, anchor="middle"))
    for group, name in enumerate(groups):
        parts.append(_text(LEFT + group_width * (group + 0.5), HEIGHT - 15, name, anchor="middle"))
    return _drawing(parts)


def lines(title: str, step: float, series: dict[str, list[float]]) -> str:
    """A line for each series, whose values are ``step`` apart, from zero on."""
    most = 1.2 * max(max(values) for values in series.values())
    longest = max(len(values) for values in series.values())
    plot_height = HEIGHT - TOP - BOTTOM
    parts = [_text(LEFT, 20, title, size=15)]
    for quarter in range(5):
        y, x = HEIGHT - BOTTOM - plot_height * quarter / 4, LEFT + (WIDTH - LEFT - 20) * quarter / 4
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 6, y + 4, f"{most * quarter / 4:,.0f}", anchor="end"))
        parts.append(_text(x, HEIGHT - 15, f"{longest * step * quarter / 4:.1f}", anchor="middle"))
    for number, (name, values) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(
            f"{LEFT + (WIDTH - LEFT - 20) * (at + 1) / longest:.1f},{HEIGHT - BOTTOM - plot_height * value / most:.1f}"
            for at, value in enumerate(values)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<rect x="{LEFT + 235 * number}" y="32" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(LEFT + 235 * number + 17, 42, name, size=11))
    return _drawing(parts)


def _drawing(parts: list[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{body}\n</svg>\n'
    )


def _text(x: float, y: float, text: str, *, size: int = 12, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{text}</text>'
