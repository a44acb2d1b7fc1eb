/**
 * The JSON model of a dashboard as Grafana publishes it in @grafana/schema, completed for the kinds of panels and
 * queries of our dashboard, because the package leaves their options and queries open. Types only; `grafana-schema.ts`
 * checks a file against them.
 */
import type { Dashboard, DataQuery, FieldConfigSource, Panel, RowPanel, VariableModel } from '@grafana/schema';
import type { Options as StatOptions } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type {
  FieldConfig as TimeSeriesField,
  Options as TimeSeriesOptions,
} from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

/** A type as in a JSON file: with the value of an enumeration in place of its member. */
type Json<T> = T extends string
  ? `${T}`
  : T extends boolean | null | undefined
    ? T
    : T extends number
      ? `${T}` extends `${infer Value extends number}`
        ? Value
        : never
      : T extends readonly (infer Item)[]
        ? Json<Item>[]
        : T extends object
          ? { [Key in keyof T]: Json<T[Key]> }
          : T;

/** Functions that reduce a series to one number; Grafana accepts any text, and shows nothing for an unknown one. */
type Reducer = 'mean' | 'min' | 'max' | 'sum' | 'last' | 'lastNotNull' | 'first' | 'firstNotNull' | 'count' | 'range';
/** Units; the same holds for them. */
type Unit = 'short' | 'percentunit' | 'reqps' | 'cps' | 'ops' | 's' | 'bytes' | 'Bps';

/** A query of the data source `prometheus`. */
interface PrometheusQuery extends DataQuery {
  expr: string;
  /** At least one of these is set. */
  instant: boolean;
  range: boolean;
  legendFormat?: string;
  format?: 'time_series' | 'table' | 'heatmap';
  interval?: string;
  exemplar?: boolean;
  editorMode?: 'builder' | 'code';
}

type Fields<Custom> = Omit<FieldConfigSource, 'defaults'> & {
  defaults: Omit<FieldConfigSource['defaults'], 'custom' | 'unit'> & { unit: Unit } & Custom;
};

type QueryPanel<Type extends string, Options, Custom> = Omit<
  Panel,
  'type' | 'title' | 'options' | 'targets' | 'fieldConfig'
> & {
  type: Type;
  title: string;
  options: Options;
  targets: PrometheusQuery[];
  fieldConfig: Fields<Custom>;
};

type WithReducers<Options, Name extends keyof Options> = Omit<Options, Name> & {
  [Key in Name]: Omit<Options[Key], 'calcs'> & { calcs: Reducer[] };
};

type StatPanel = QueryPanel<'stat', WithReducers<StatOptions, 'reduceOptions'>, object>;
type TimeSeriesPanel = QueryPanel<'timeseries', WithReducers<TimeSeriesOptions, 'legend'>, { custom: TimeSeriesField }>;

/** Grafana repeats the query in `definition`, for its list of variables. */
type Variable = VariableModel & { definition?: string };

export type CheckedDashboard = Json<
  Omit<Dashboard, 'panels' | 'templating'> & {
    panels: (RowPanel | StatPanel | TimeSeriesPanel)[];
    templating: { list: Variable[] };
  }
>;
