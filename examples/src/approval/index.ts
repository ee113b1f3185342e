/** For what starts an order with surroundings of its own, such as a clock that it moves. */
export { startModelServer } from './model-server.js'
export { createScreen } from './screen.js'
export { type StartedOrder, startOrder } from './start-order.js'
