/** The seed of a property test: shown in its title, and set by `FC_SEED` to run the same cases again. */
export const seed = Number(process.env.FC_SEED ?? Math.floor(Math.random() * 2 ** 31));
