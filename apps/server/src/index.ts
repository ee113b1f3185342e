export { type AppOptions, createApp } from './app/create-app.js'
export { renderFlowTree } from './cli/flow-tree.js'
export { runCommandLine } from './cli/program.js'
export type { Terminal } from './cli/terminal.js'
export { type DescribedSetting, describeSettings } from './config/describe-settings.js'
export {
  defaultHost,
  defaultPort,
  type RunningServer,
  type ServerOptions,
  startServer,
} from './start-server.js'
export { createPrometheusMeter } from './telemetry/prometheus-meter.js'
