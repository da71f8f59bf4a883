// Bars of a dataset as columns, the shape the charts want.
import * as api from "./api.js";

const LARGEST_PAGE = 5000;

/** Bars of one dataset in [startMs, endMs); merged by the server when they are more than fit a screen. */
export async function load(dataset, { startMs = null, endMs = null, signal = undefined } = {}) {
  const { data } = await api.get(`/api/v1/datasets/${dataset}/bars`, { start: startMs, end: endMs, max_points: LARGEST_PAGE }, signal);
  return data;
}
