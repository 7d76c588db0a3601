import { describeStory } from "./story.js";

describeStory("v2.70", 1000);
