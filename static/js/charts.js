// lightweight-charts in our colours. The library's own logo needs an inline <style>, which the
// content security policy forbids; the visible link it stands for is in every chart's footer.
import {
  AreaSeries, CandlestickSeries, HistogramSeries, LineSeries, LineStyle, PriceScaleMode, createChart, createSeriesMarkers,
} from "../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs";

export { AreaSeries, HistogramSeries, LineSeries, LineStyle, PriceScaleMode, createSeriesMarkers };

const DAY_MS = 86_400_000;
export const seconds = (ms) => Math.floor(ms / 1000);

const probe = document.createElement("span");
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

/** A design token as rgba() the canvas understands, with its own opacity. */
export function token(name, opacity = 1) {
  probe.hidden = true;
  document.body.append(probe);
  probe.style.color = `var(--${name})`;
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = resolved;
  canvas.fillRect(0, 0, 1, 1);
  const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
  return `rgba(${r}, ${g}, ${b}, ${opacity})`;
}

function look() {
  return {
    layout: {
      attributionLogo: false,
      background: { color: token("surface") },
      textColor: token("text-2"),
      fontFamily: getComputedStyle(document.body).fontFamily,
      fontSize: 11,
      panes: { separatorColor: token("border"), separatorHoverColor: token("accent", 0.2), enableResize: true },
    },
    grid: { vertLines: { color: token("border", 0.55) }, horzLines: { color: token("border", 0.55) } },
    rightPriceScale: { borderColor: token("border") },
    timeScale: { borderColor: token("border") },
    crosshair: {
      mode: 0,
      vertLine: { color: token("text-3"), labelBackgroundColor: token("accent-fill") },
      horzLine: { color: token("text-3"), labelBackgroundColor: token("accent-fill") },
    },
  };
}

/** A chart that fills its element and repaints when the theme changes. `intervalMs` is the bar's length. */
export function newChart(container, { intervalMs = DAY_MS, repaint = () => {} } = {}) {
  const chart = createChart(container, {
    autoSize: true,
    ...look(),
    localization: { locale: "en-GB", dateFormat: "yyyy-MM-dd" },
    handleScale: { axisPressedMouseMove: true },
  });
  chart.timeScale().applyOptions({ timeVisible: intervalMs < DAY_MS, secondsVisible: false, rightOffset: 3, minBarSpacing: 0.02 });
  document.addEventListener("themechange", () => requestAnimationFrame(() => {
    chart.applyOptions(look());
    repaint();
  }));
  return chart;
}

/** Rising bars are hollow and falling ones filled, so that colour is not the only sign. */
export function candleLook() {
  return {
    upColor: token("surface"), borderUpColor: token("up"), wickUpColor: token("up"),
    downColor: token("down"), borderDownColor: token("down"), wickDownColor: token("down"),
  };
}

export const addCandles = (chart) => chart.addSeries(CandlestickSeries, { ...candleLook(), priceLineVisible: false });

export function addVolume(chart) {
  const volume = chart.addSeries(HistogramSeries, {
    priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false, color: token("text-3", 0.28),
  });
  volume.priceScale().applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
  return volume;
}

/** Shows `spread` bars either side of one time. */
export function centre(chart, times, time, spread = 60) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < time) low = middle + 1; else high = middle;
  }
  chart.timeScale().setVisibleLogicalRange({ from: low - spread, to: low + spread });
}
